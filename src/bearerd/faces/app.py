"""The public listener: from raw target to face.  The path is matched on its bytes; nothing is decoded on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from multidict import CIMultiDict

from bearerd import request as view
from bearerd.faces import (
    answer,
    asked,
    by_host,
    ext_authz,
    form,
    forward_auth,
    identity_keys,
    metadata,
    peer,
    server,
    server_metadata,
)
from bearerd.faces.asked import Seen
from bearerd.faces.clients import Clients
from bearerd.faces.mcp import proxy
from bearerd.faces.reply import reply
from bearerd.flow import Flow
from bearerd.metrics import NO_FACE
from bearerd.policy import decide
from bearerd.refusals import Code, Refusal
from bearerd.turns import Turns

if TYPE_CHECKING:
    import asyncio

    from bearerd.callers import Act
    from bearerd.current import Current
    from bearerd.faces.answer import Answer
    from bearerd.faces.asked import Asked
    from bearerd.service import Service

_CALLERS: Final[dict[bytes, Act]] = {b"/introspect": "introspect", b"/revoke": "revoke"}
_READS: Final = frozenset({"GET", "HEAD"})
_PUBLIC: Final = frozenset({*_READS, "OPTIONS"})


class Faces:
    """Answers every request of the public listener."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._flow = Flow(service)
        self._turns = Turns()
        self._clients = Clients(service, self._flow, self._turns.turn)
        self._proxy = proxy.Proxy(service, self._flow, self._turns.turn)
        self._made_for: Current | None = None
        self._trust = peer.Trust(())
        self._metadata = metadata.Metadata(service.current.policy)
        self._servers = server_metadata.Servers(service.current.policy)
        self._identity_keys = identity_keys.IdentityKeys(service.current.policy)

    async def close(self) -> None:
        """Let go of whatever requests are passed on to."""
        await self._proxy.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; never raises but for cancellation."""
        try:
            made = await self._dispatch(request)
        except Exception as error:  # noqa: BLE001 - fail closed, and without a word of it to the client
            self._service.recorder.fault("a face failed", error)
            made = answer.oauth_error(503, self._unjudged(Code.INTERNAL_ERROR, ""))
        if isinstance(made, web.StreamResponse):
            return made
        return web.Response(status=made.status, headers=CIMultiDict(made.headers), body=made.body or None)

    def unparsed(self, code: Code, transport: asyncio.Transport | None) -> str:
        """A request that the parser refused: counted and told like any other; returns its id."""
        return self._unjudged(code, peer.of(transport).name)

    async def _dispatch(self, request: web.BaseRequest) -> Answer | web.StreamResponse:
        await self._turns.turn()
        current = self._current()
        if server.head_size(request) > current.config.limits.max_head_bytes:
            request_id = self._unjudged(Code.HEAD_TOO_LARGE, peer.of_request(request).name)
            return answer.unread(Code.HEAD_TOO_LARGE, request_id)
        target = server.raw_target(request)
        if target.startswith((forward_auth.PREFIX, ext_authz.PREFIX)) or by_host.is_asked(target):
            seen = await self._seen(request, target, current)
            question = asked.read(seen, self._current().policy)
            return answer.plain(404) if question is None else await self._decide(question)
        if target.startswith(proxy.PREFIX):
            return await self._proxy.answer(request, target)
        bare = target.partition(b"?")[0]
        if (act := _CALLERS.get(bare)) is not None:
            if request.method != "POST":
                return answer.plain(405, ("Allow", "POST"))
            return await self._clients.answer(act, request, peer.of_request(request).name)
        if bare == metadata.PREFIX or bare.startswith(metadata.PREFIX + b"/"):
            return self._describe(request, target)
        if target == server_metadata.TARGET:
            return self._pass_on(request, current)
        if bare == identity_keys.TARGET:
            return self._publish(request)
        return answer.plain(404)

    def _current(self) -> Current:
        """The configuration in use, with what the faces make of it."""
        current = self._service.current
        if current is not self._made_for:
            self._trust = peer.Trust(current.config.trust.peers)
            self._metadata = metadata.Metadata(current.policy)
            self._servers = server_metadata.Servers(current.policy)
            self._identity_keys = identity_keys.IdentityKeys(current.policy)
            self._made_for = current
        return current

    async def _decide(self, question: Asked) -> Answer:
        if isinstance(question.request, Refusal):
            decided = self._flow.refuse(question.name, question.request, question.unknown, face=question.face)
        else:
            decided = await self._flow.run(
                question.name,
                question.request,
                face=question.face,
                still=lambda: asked.still(question, self._current().policy, self._trust),
                patience=asked.PATIENCE,
            )
        return reply(decided, question, self._service.current)

    def _describe(self, request: web.BaseRequest, target: bytes) -> Answer:
        resource = self._metadata.find(request.headers.get("Host"), target)
        if resource is None and request.method in _PUBLIC:
            request_id = self._unjudged(Code.UNKNOWN_RESOURCE, peer.of_request(request).name)
            return answer.plain(404, (answer.REQUEST_ID, request_id))
        return _published(request.method, None if resource is None else metadata.answer(resource))

    def _pass_on(self, request: web.BaseRequest, current: Current) -> Answer:
        """What the issuer says of itself; nobody's question has it fetched."""
        iss = self._servers.find(request.headers.get("Host"))
        issuer = None if iss is None else current.issuers.find(iss)
        document = None if issuer is None else self._service.documents.find(issuer.config)
        return _published(request.method, None if document is None else server_metadata.reply(document))

    def _publish(self, request: web.BaseRequest) -> Answer:
        made = self._identity_keys.answer(request.headers.get("If-None-Match"))
        if made is None:
            return answer.plain(404)
        return made if request.method in _READS else answer.plain(405, ("Allow", "GET, HEAD"))

    async def _seen(self, request: web.BaseRequest, target: bytes, current: Current) -> Seen:
        """The request as received, and whether its peer may speak as a gateway."""
        who, headers = peer.of_request(request), request._message.raw_headers  # noqa: SLF001 - see server.raw_target
        dialect = getattr(request.protocol, "dialect", "")
        seen = Seen(request.method, target, headers, request.headers.get("Host"), who in self._trust, who.name, dialect)
        if not asked.shows_body(seen, current.policy):
            return seen
        try:
            most = current.config.limits.max_mcp_body_bytes
            seen = seen._replace(body=await form.body(request, most, self._turns.turn))
        except form.BadForm:
            pass  # of a body that is not whole nothing is read
        self._current()  # a reload may have come while the body did
        return seen._replace(trusted=who in self._trust)

    def _unjudged(self, code: Code, who: str) -> str:
        unknown = view.of(None, None, peer=who)
        return self._service.recorder.record(NO_FACE, decide.of_nobody(Refusal(code)), unknown, 0.0)


def _published(method: str, document: Answer | None) -> Answer:
    """A document that pages of anybody's may read, if there is one."""
    if method not in _PUBLIC:
        return answer.plain(405, ("Allow", metadata.METHODS))
    if document is None:
        return answer.plain(404)
    return answer.preflight(metadata.METHODS) if method == "OPTIONS" else document


def public_runner(service: Service, **more: Any) -> web.ServerRunner:
    """A runner of the public listener, to be called in a running loop.

    ``await runner.setup()``, then a site for each inherited socket; ``await runner.cleanup()`` lets requests under way end.
    """
    faces = Faces(service)
    made = server.Server(faces.handle, **server.settings(service.current.config.limits))
    made.refused = faces.unparsed
    return _Runner(made, faces, **more)


class _Runner(web.ServerRunner):
    __slots__ = ("_faces",)

    def __init__(self, made: server.Server, faces: Faces, **more: Any) -> None:
        super().__init__(made, **more)
        self._faces = faces

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._faces.close()
