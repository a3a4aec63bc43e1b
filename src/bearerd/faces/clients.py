"""What ``/introspect`` and ``/revoke`` share: a bounded form, a caller that shows who it is, one line, one count."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bearerd import request as view
from bearerd.audit.recorder import Trail
from bearerd.decision import Decision
from bearerd.errors import StoreError, StoreFull
from bearerd.faces import answer, credential, form, introspect, revoke
from bearerd.policy import decide
from bearerd.refusals import Code, Outcome, Refusal
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from bearerd.callers import Act, Caller
    from bearerd.faces.answer import Answer
    from bearerd.flow import Flow
    from bearerd.policy.resource import Resource
    from bearerd.service import Service

_NOT_ALLOWED: Final = Refusal(Code.FORBIDDEN, "the caller may not do this")
_NO_TOKEN: Final = Refusal(Code.BAD_REQUEST, "no token parameter")
_AWAY: Final = Refusal(Code.STALE_STATE, "the store cannot be written now")


class _Asked:
    """One request of a caller, as far as lines and counts need it."""

    __slots__ = ("act", "began", "caller", "peer", "trail")

    def __init__(self, act: Act, peer: str) -> None:
        self.act = act
        self.peer = peer
        self.began = time.perf_counter()
        self.caller: Caller | None = None
        self.trail = Trail()


class Clients:
    """Answers callers."""

    def __init__(self, service: Service, flow: Flow, turn: Callable[[], Awaitable[None]]) -> None:
        self._service = service
        self._flow = flow
        self._turn = turn

    async def answer(self, act: Act, request: web.BaseRequest, peer: str) -> Answer:
        """Answer one POST."""
        asked = _Asked(act, peer)
        try:
            fields = await form.read(request, self._service.current.config.limits.max_body_bytes, self._turn)
        except form.BadForm as bad:
            return self._refused(asked, bad.refusal)
        # Taken after the body: a secret that a reload took away while it arrived is not good any more.
        current = self._service.current
        headers = request._message.raw_headers  # noqa: SLF001 - see server.raw_target
        caller = credential.authenticate(headers, fields, current.callers)
        if isinstance(caller, Refusal):
            return self._refused(asked, caller)
        asked.caller = caller
        if not caller.allowed(act):
            return self._refused(asked, _NOT_ALLOWED)
        if not fields.get("token"):
            return self._refused(asked, _NO_TOKEN)
        token = fields["token"].encode("utf-8", "surrogatepass")
        own = [current.policy.resources[name] for name in caller.resources if name in current.policy.resources]
        return await (self._revoke if act == "revoke" else self._introspect)(asked, token, own)

    async def _introspect(self, asked: _Asked, token: bytes, own: list[Resource]) -> Answer:
        found = await self._flow.verify(token, trail=asked.trail)
        if isinstance(found, Verified):
            found, resource = self._judged(found, own)
        else:
            resource = own[0] if own else None
        name = resource.name if resource is not None else ""
        if isinstance(found, Refusal):
            if found.row.outcome is Outcome.UNAVAILABLE:
                return self._refused(asked, found, name)
            self._record(asked, _refusal(found, name))
            return answer.json_answer(introspect.INACTIVE)
        self._record(asked, Decision(True, Outcome.ALLOW, None, 200, name, claims=found.claims))
        return (
            answer.json_answer(introspect.active(found, resource)) if resource else self._refused(asked, _NOT_ALLOWED)
        )

    def _judged(self, verified: Verified, own: list[Resource]) -> tuple[Verified | Refusal, Resource | None]:
        """The first of the caller's resources that the token is good for; else why it is not, of the first."""
        at, first = self._service.time.now(), None
        for resource in own:
            why = decide.judge_for_introspection(resource, verified, at, self._service.current)
            if why is None:
                return verified, resource
            if why.row.outcome is Outcome.UNAVAILABLE:
                return why, resource
            first = first or why
        return first or Refusal(Code.WRONG_AUDIENCE), own[0] if own else None

    async def _revoke(self, asked: _Asked, token: bytes, own: list[Resource]) -> Answer:
        found = await self._flow.verify(token, to_revoke=True)
        if isinstance(found, Refusal):
            return self._put_off(asked, found) if revoke.undecided(found) else self._given_up(asked, found.code)
        resource = revoke.concerns(found, own)
        if resource is None:
            return self._given_up(asked, Code.WRONG_AUDIENCE)
        fields = {"resource": resource.name, "iss": found.issuer, "token_id": found.token_id, "client": found.client}
        return await self._write(asked, found, resource.issuers[found.issuer], fields)

    async def _write(self, asked: _Asked, found: Verified, leeway: float, fields: Mapping[str, object]) -> Answer:
        writer, name = self._service.writer, asked.caller.name if asked.caller else ""
        if writer is None:
            return self._refused(asked, _AWAY)
        keys = self._service.apikeys
        if revoke.done(writer, found) and revoke.marked(keys, found):
            self._service.recorder.revocation(revoke.STORED, name, fields)
            return answer.empty((revoke.HEADER, revoke.STORED))
        try:
            written = await revoke.write(writer, keys, found, leeway)
        except StoreFull as full:
            self._service.recorder.revocation("full", name, fields)
            return answer.oauth_error(revoke.FULL, self._record(asked, _refusal(full.refusal, "")))
        except StoreError as error:
            return self._refused(asked, Refusal(Code.STALE_STATE, str(error)))
        if written.acknowledged is None:  # it may be lost yet; repeating does no harm
            return self._refused(asked, Refusal(Code.STALE_STATE, f"missing: {', '.join(written.missing)}"))
        told = {"sequence": written.sequence, "durability": written.durability, "missing": list(written.missing)}
        self._service.recorder.revocation(written.acknowledged, name, {**fields, **told})
        return answer.empty((revoke.HEADER, written.acknowledged))

    def _given_up(self, asked: _Asked, code: Code) -> Answer:
        """Nothing to revoke; the caller is not told why (RFC 7009 section 2.2), the log is."""
        self._service.recorder.revocation(revoke.NONE, asked.caller.name if asked.caller else "", {"code": code})
        return answer.empty((revoke.HEADER, revoke.NONE))

    def _put_off(self, asked: _Asked, refusal: Refusal) -> Answer:
        """Nothing can be said of the token now: it is to be revoked again later, whatever its refusal would be as 401."""
        return answer.oauth_error(503, self._record(asked, _refusal(refusal, "")), retry_after=refusal.retry_after)

    def _refused(self, asked: _Asked, refusal: Refusal, resource: str = "") -> Answer:
        request_id = self._record(asked, _refusal(refusal, resource))
        return answer.oauth_error(refusal.row.status, request_id, retry_after=refusal.retry_after)

    def _record(self, asked: _Asked, decision: Decision) -> str:
        seconds = time.perf_counter() - asked.began
        unknown = view.of(None, None, peer=asked.peer)
        caller = asked.caller.name if asked.caller else None
        return self._service.recorder.record(asked.act, decision, unknown, seconds, asked.trail, caller)


def _refusal(refusal: Refusal, resource: str) -> Decision:
    row = refusal.row
    return Decision(False, row.outcome, row.code, row.status, resource, detail=refusal.detail, hints=refusal.hints)
