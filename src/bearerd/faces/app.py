"""The public listener: from raw target to face.  The path is matched on its bytes; nothing is decoded on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from multidict import CIMultiDict

from bearerd import request as view
from bearerd._native import path
from bearerd.decision import Decision
from bearerd.faces import answer, ext_authz, forward_auth, metadata, peer, server
from bearerd.faces.clients import Clients
from bearerd.flow import Decided, Flow
from bearerd.metrics import NO_FACE
from bearerd.refusals import TABLE, Code, Refusal

if TYPE_CHECKING:
    import asyncio

    from bearerd.callers import Act
    from bearerd.faces.answer import Answer
    from bearerd.request import Headers, Request
    from bearerd.service import Current, Service

_CALLERS: Final[dict[bytes, Act]] = {b"/introspect": "introspect", b"/revoke": "revoke"}
_READS: Final = frozenset({"GET", "HEAD"})


class Faces:
    """Answers every request of the public listener."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._flow = Flow(service)
        self._clients = Clients(service, self._flow)
        self._made_for: Current | None = None
        self._trust = peer.Trust(())
        self._metadata = metadata.Metadata(service.current.policy)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request; never raises but for cancellation."""
        try:
            made = await self._dispatch(request)
        except Exception as error:  # noqa: BLE001 - fail closed, and without a word of it to the client
            self._service.recorder.fault("a face failed", error)
            made = answer.oauth_error(503, self._unjudged(Code.INTERNAL_ERROR, ""))
        return web.Response(status=made.status, headers=CIMultiDict(made.headers), body=made.body or None)

    def unparsed(self, code: Code, transport: asyncio.Transport | None) -> str:
        """A request that the parser refused: counted and told like any other; returns its id."""
        return self._unjudged(code, peer.of(transport).name)

    async def _dispatch(self, request: web.BaseRequest) -> Answer:
        current = self._current()
        if server.head_size(request) > current.config.limits.max_head_bytes:
            request_id = self._unjudged(Code.HEAD_TOO_LARGE, peer.of_request(request).name)
            return answer.head_too_large(request_id)
        target = server.raw_target(request)
        if target.startswith(forward_auth.PREFIX):
            return await self._forward_auth(request, target, current)
        if target.startswith(ext_authz.PREFIX):
            return await self._ext_authz(request, target, current)
        bare = target.partition(b"?")[0]
        if (act := _CALLERS.get(bare)) is not None:
            if request.method != "POST":
                return answer.plain(405, ("Allow", "POST"))
            return await self._clients.answer(act, request, peer.of_request(request).name)
        if bare == metadata.PREFIX or bare.startswith(metadata.PREFIX + b"/"):
            return self._describe(request, target)
        return answer.plain(404)

    def _current(self) -> Current:
        """The configuration in use, with what the faces make of it."""
        current = self._service.current
        if current is not self._made_for:
            self._trust = peer.Trust(current.config.trust.peers)
            self._metadata = metadata.Metadata(current.policy)
            self._made_for = current
        return current

    async def _forward_auth(self, request: web.BaseRequest, target: bytes, current: Current) -> Answer:
        name = path.resource_name(target, forward_auth.PREFIX)
        if name is None or target[len(forward_auth.PREFIX) + len(name) :][:1] == b"/":
            return answer.plain(404)
        headers, trusted, who = self._seen(request)
        resource = current.policy.resources.get(name.decode())
        dialect = next((known for known in forward_auth.FAMILIES if resource and known in resource.gateways), None)
        if dialect is None:
            return self._nowhere(name, headers, forward_auth.FACE, trusted, who)
        asked = forward_auth.original(dialect, headers, trusted=trusted, peer=who)
        return await self._decide(name, asked, forward_auth.FACE, dialect, headers, trusted, who)

    async def _ext_authz(self, request: web.BaseRequest, target: bytes, current: Current) -> Answer:
        name = path.resource_name(target, ext_authz.PREFIX)
        if name is None:
            return answer.plain(404)
        headers, trusted, who = self._seen(request)
        resource = current.policy.resources.get(name.decode())
        if resource is None or "envoy" not in resource.gateways:
            return self._nowhere(name, headers, ext_authz.FACE, trusted, who)
        host = request.headers.get("Host")
        asked = ext_authz.original(name, request.method, target, headers, host=host, trusted=trusted, peer=who)
        return await self._decide(name, asked, ext_authz.FACE, "envoy", headers, trusted, who)

    async def _decide(
        self,
        name: bytes,
        asked: Request | Refusal,
        face: str,
        dialect: str,
        headers: Headers,
        trusted: bool,
        who: str,
    ) -> Answer:
        if isinstance(asked, Refusal):
            unknown = view.of(None, None, None, headers, trusted=trusted, peer=who)
            decided = self._flow.refuse(name.decode(), asked, unknown, face=face)
        else:
            decided = await self._flow.run(name.decode(), asked, face=face)
        return self._answer(decided, dialect)

    def _nowhere(self, name: bytes, headers: Headers, face: str, trusted: bool, who: str) -> Answer:
        """No such resource, or it does not list this face: one answer for both."""
        unknown = view.of(None, None, None, headers, trusted=trusted, peer=who)
        return self._answer(self._flow.refuse(name.decode(), Refusal(Code.UNKNOWN_RESOURCE), unknown, face=face), "")

    def _answer(self, decided: Decided, dialect: str) -> Answer:
        reveal = self._service.current.config.server.reveal_reason
        return answer.answer(decided.decision, decided.request_id, dialect, reveal=reveal)

    def _describe(self, request: web.BaseRequest, target: bytes) -> Answer:
        if request.method not in _READS:
            return answer.plain(405, ("Allow", "GET, HEAD"))
        resource = self._metadata.find(request.headers.get("Host"), target)
        if resource is None:
            request_id = self._unjudged(Code.UNKNOWN_RESOURCE, peer.of_request(request).name)
            return answer.plain(404, (answer.REQUEST_ID, request_id))
        return metadata.answer(resource)

    def _seen(self, request: web.BaseRequest) -> tuple[Headers, bool, str]:
        """The header fields as received, whether the peer may speak as a gateway, and its name."""
        who = peer.of_request(request)
        return request._message.raw_headers, who in self._trust, who.name  # noqa: SLF001 - see server.raw_target

    def _unjudged(self, code: Code, who: str) -> str:
        row = TABLE[code]
        decision = Decision(False, row.outcome, code, row.status, resource="")
        asked = view.of(None, None, peer=who)
        return self._service.recorder.record(NO_FACE, decision, asked, 0.0)


def public_runner(service: Service, **more: Any) -> web.ServerRunner:
    """A runner of the public listener, to be called in a running loop.

    ``await runner.setup()``, then a site for each inherited socket; ``await runner.cleanup()`` lets requests under way end.
    """
    faces = Faces(service)
    made = server.Server(faces.handle, **server.settings(service.current.config.limits))
    made.refused = faces.unparsed
    return web.ServerRunner(made, **more)
