"""A decision as the members of its audit record.  What a token says is written once, and used again for its next decision."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd import log
from bearerd.audit.arguments import told
from bearerd.audit.record import known_method
from bearerd.log import stamp
from bearerd.refusals import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bearerd._native.ring import Noted
    from bearerd.audit.record import Record
    from bearerd.mcp.operation import Operation
    from bearerd.mcp.redact import Watched
    from bearerd.verify.verified import Verified

MOST_ACTORS: Final = 8  # of a delegation (RFC 8693, section 4.1); that there were more is said
MOST_TOKENS: Final = 10_000  # whose words are kept
_METHODS: Final = {name.encode(): orjson.dumps(name) for name in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")}
_LONGEST: Final = 256  # characters of a claim
_LONGEST_NAME: Final = 512  # of a tool, a prompt or a resource's URI


class Entries:
    """Of one process.  ``subject``: how ``sub`` is written.  ``found``: told of each pattern, with the resource."""

    def __init__(
        self, subject: Callable[[str], str], max_arguments: int, found: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self._subject = subject
        self._most = max_arguments
        self._found = found
        self._said: OrderedDict[bytes, bytes] = OrderedDict()
        self._known: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()  # the same by what the lane knows a token by
        self._peers: dict[bytes, bytes] = {}
        self._moment = 0.0, b""
        self.policy = ""  # the version in use

    def forget(self) -> None:
        """Subjects are written in another way from now on."""
        self._said.clear()
        self._known.clear()

    def body(self, record: Record, policy: str | None = None) -> bytes:
        """The members of one decision's record.  ``policy``: the version that it was made under, if not the one in use."""
        decision, operation = record.decision, record.operation
        fields: dict[str, Any] = {
            "time": stamp(record.at),
            "event": "decision",
            "decision": decision.outcome,
            "reason": decision.code,
            "detail": log.redact(decision.detail) if decision.detail else None,
            "resource": log.redact(decision.resource) if decision.resource else None,
            "rule": decision.rule,
            "method": known_method(record.method),
            "path": record.template,
            "face": record.face,
            "peer": record.peer or None,
            "request_id": record.request_id,
            "traceparent": record.traceparent,
            "caller": record.caller,
            "approval": None if decision.approval is None else decision.approval.id,
            "policy": self.policy if policy is None else policy,
        }
        if decision.would_refuse:
            fields["would_refuse"] = [{"reason": found.code, "rule": found.rule} for found in decision.would_refuse]
        if operation is not None:
            fields |= _operation(operation)
            if record.verified is not None or decision.allowed:  # a stranger's would cost more than his refusal
                fields |= self._arguments(decision.resource, operation, record.watched)
        elif record.misread is not None:
            fields["mode"] = record.misread.mode
        if record.verified is None and record.token_id is not None:
            fields["token"] = record.token_id
        said = orjson.dumps({name: value for name, value in fields.items() if value is not None})[1:-1]
        return said if record.verified is None else said + b"," + self._of_token(record.verified)

    def place(
        self, resource: str, face: str, rule: int | None, path: str | None, policy: str, operation: Operation | None
    ) -> bytes:
        """What all allows by one rule of a resource at a face have in common, for ``allowed``."""
        fields = {"event": "decision", "decision": Outcome.ALLOW, "resource": log.redact(resource), "rule": rule}
        fields |= {"path": path, "face": face, "policy": policy}
        if operation is not None:  # of the lane's, which sees no arguments
            fields |= _operation(operation)
        return orjson.dumps({name: value for name, value in fields.items() if value is not None})[1:-1]

    def allowed(self, noted: Noted, place: bytes, verified: Callable[[bytes, int], Verified | None]) -> bytes:
        """The members of a record of an allow that no Python saw: from pieces, since there may be many thousands a second.

        ``verified``: finds what is known of a token.
        """
        at, _, _, _, _, _, method, peer, trace, request_id, _, digest, length, _, _, _ = noted
        if at != self._moment[0]:
            self._moment = at, stamp(at).encode()
        who = self._peers.get(peer)
        if who is None:
            if len(self._peers) >= MOST_TOKENS:
                self._peers.clear()
            who = self._peers[peer] = orjson.dumps(peer.decode()) if peer else b"null"
        known = self._known.get((digest, length))
        if known is None:
            found = verified(digest, length)
            # The cache was emptied since: rarer than a clock that is set back, and said.
            known = b'"token_forgotten":true' if found is None else self._of_token(found)
            if found is not None:
                self._known[digest, length] = known
                if len(self._known) > MOST_TOKENS:
                    self._known.popitem(last=False)
        return b'"time":"%s",%s,"method":%s,"peer":%s,"request_id":"%s",%s%s' % (
            self._moment[1],
            place,
            _METHODS.get(method) or orjson.dumps(known_method(method.decode()) if method else None),
            who,
            request_id.hex().encode(),
            b'"traceparent":"%s",' % trace if trace else b"",
            known,
        )

    def _arguments(self, resource: str, operation: Operation, watched: Watched | None) -> dict[str, Any]:
        if operation.arguments is None:
            return {}
        fields, found = told(operation.arguments, watched, self._most)
        for pattern in found:
            self._found(resource, pattern)
        return fields

    def _of_token(self, verified: Verified) -> bytes:
        key = bytes.fromhex(verified.token_id)
        said = self._said.get(key)
        if said is None:
            fields = {
                "issuer": _short(verified.issuer),
                "subject": None if verified.subject is None else self._subject(verified.subject),
                "actors": actors(verified.claims, self._subject),
                "client": _short(verified.client),
                "token": verified.token_id,
            }
            said = orjson.dumps({name: log.clean(value) for name, value in fields.items() if value is not None})[1:-1]
            self._said[key] = said
            if len(self._said) > MOST_TOKENS:
                self._said.popitem(last=False)
        return said


def _operation(operation: Operation) -> dict[str, Any]:
    name = operation.name
    return {
        "mode": operation.mode,
        "operation": log.redact(operation.method[:_LONGEST]),
        operation.item or "name": None if name is None else log.redact(name[:_LONGEST_NAME]),
    }


def actors(claims: Mapping[str, Any], subject: Callable[[str], str]) -> list[dict[str, Any]] | None:
    """Who acts for whom, from ``act``: the latest first.  None: nobody but the subject."""
    found: list[dict[str, Any]] = []
    act = claims.get("act")
    while isinstance(act, dict):
        if len(found) == MOST_ACTORS:
            found.append({"more": True})
            break
        one = {name: _short(act[name]) for name in ("iss", "client_id") if isinstance(act.get(name), str)}
        if isinstance(act.get("sub"), str):
            one["sub"] = subject(act["sub"])
        found.append(one)
        act = act.get("act")
    return found or None


def _short(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST]
