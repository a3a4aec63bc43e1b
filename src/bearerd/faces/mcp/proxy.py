"""``/mcp/NAME``: an MCP client's own requests, decided by what their bodies say, and passed on where they may.

The target names the resource and nothing else of it goes on: where the server is, the configuration says.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from bearerd import request as view
from bearerd._native import path
from bearerd.audit.recorder import Trail
from bearerd.faces import answer, form, jsonrpc, peer
from bearerd.faces.mcp.relay import Gone, Looks, Unfit, relay, unless_gone
from bearerd.faces.mcp.tools import Shown
from bearerd.faces.mcp.upstream import Upstream, onward
from bearerd.faces.reply import reply
from bearerd.flow import ANOTHER
from bearerd.mcp import body, listing
from bearerd.mcp.operation import Misread
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web
    from multidict import CIMultiDict

    from bearerd.faces.answer import Answer
    from bearerd.flow import Decided, Flow
    from bearerd.policy.resource import Resource
    from bearerd.request import Headers, Request
    from bearerd.service import Service
    from bearerd.verify.verified import Verified

FACE: Final = "mcp"
PREFIX: Final = b"/mcp/"
METHODS: Final = ("POST", "GET", "DELETE", "OPTIONS")  # those of the transport, and a browser's preflight

MOST_WAITED: Final = 256
"""Bodies that are waited for at once: each may be a megabyte, and take ten seconds.  What came with its head does not count."""

_CLIENT_GONE: Final = 499  # nobody reads it
_MANY_BODIES: Final = Refusal(Code.OVERLOADED, f"{MOST_WAITED} bodies are waited for already", retry_after=1)


class Question(NamedTuple):
    """A request to an MCP server, as ``faces.reply`` answers it."""

    dialect: str
    request: Request | Refusal
    unknown: Request


class Onward(NamedTuple):
    """What goes on to the server, and what becomes of its answer."""

    upstream: str
    headers: CIMultiDict[str]
    sent: bytes
    looks: Looks | None


class Opened(NamedTuple):
    """A server's answer that has begun, and what becomes of it."""

    found: aiohttp.ClientResponse
    looks: Looks | None
    most: int


def _asked(request: web.BaseRequest, target: bytes) -> Request:
    """The request as rules see it, but for its body."""
    return view.of(
        request.method,
        target,
        request.headers.get("Host"),
        request._message.raw_headers,  # noqa: SLF001 - see server.raw_target
        trusted=True,  # nobody speaks for the client: these are its own words
        sees_all_headers=True,
        peer=peer.of_request(request).name,
    )._replace(direct=True)


def _is_text(headers: Headers) -> bool:
    """Whether each field can be passed on: what is not UTF-8 would not arrive as it came."""
    try:
        for name, value in headers:
            name.decode("ascii")
            value.decode()
    except UnicodeDecodeError:
        return False
    return True


class Proxy:
    """Of one process."""

    def __init__(self, service: Service, flow: Flow, turn: Callable[[], Awaitable[None]]) -> None:
        """``turn``: waited for before a body is looked into (``bearerd.turns``)."""
        self._service = service
        self._flow = flow
        self._turn = turn
        self._upstream = Upstream(service.current.config.limits.max_connections)
        self._waited = 0  # bodies that are waited for

    async def close(self) -> None:
        """Let go of the servers."""
        await self._upstream.close()

    async def answer(self, request: web.BaseRequest, target: bytes) -> Answer | web.StreamResponse:
        """Answer one request whose target begins with the prefix."""
        raw = path.resource_name(target, PREFIX)
        if raw is None or target[len(PREFIX) + len(raw) :][:1] == b"/":
            return answer.plain(404)
        if request.method not in METHODS:
            return answer.plain(405, ("Allow", ", ".join(METHODS)))
        name, policy = raw.decode(), self._service.current.policy
        resource = policy.resources.get(name)
        asked = _asked(request, target)
        if resource is None or resource.upstream is None:
            decided = self._flow.refuse(name, Refusal(Code.UNKNOWN_RESOURCE), asked, face=FACE)
            return self._refused(decided, asked)
        try:
            return await self._passed_on(request, await self._allowed(request, asked, resource))
        except Gone:
            return answer.plain(_CLIENT_GONE)
        except TimeoutError:
            return answer.plain(504)

    async def _allowed(self, request: web.BaseRequest, asked: Request, resource: Resource) -> Answer | Onward:
        """Decide."""
        if not _is_text(asked.headers):
            return answer.plain(400)
        if self._waited >= MOST_WAITED and not request.content.is_eof():
            whose = "" if resource.shadow else resource.name  # nobody's, so that no shadow makes an allow of it
            return self._refused(self._flow.refuse(whose, _MANY_BODIES, asked, face=FACE), asked)
        asked, sent = await self._read(request, asked, resource)
        if not self._still(resource):  # what is decided by the rules of now must not go to the server of before
            return self._refused(self._flow.refuse("", ANOTHER, asked, face=FACE), asked)
        trail = Trail()
        decided = await self._flow.run(
            resource.name, asked, face=FACE, trail=trail, still=lambda: self._still(resource)
        )
        if not decided.decision.allowed:
            return self._refused(decided, asked)
        if sent is None:  # a shadow resource refuses nothing; but half a message is none
            return answer.plain(400)
        headers = onward(asked.headers, decided.decision.headers_add, decided.decision.headers_remove)
        return Onward(resource.upstream or "", headers, sent, self._looks(resource, asked, trail.verified))

    async def _passed_on(self, request: web.BaseRequest, allowed: Answer | Onward) -> Answer | web.StreamResponse:
        """Ask the server where it is allowed."""
        if not isinstance(allowed, Onward):
            return allowed
        looks, most = allowed.looks, self._service.current.config.limits.max_mcp_answer_bytes
        try:
            asking = self._upstream.ask(allowed.upstream, request.method, allowed.headers, allowed.sent)
            del allowed  # a stream may last for hours: nothing of the question is kept
            return await self._relayed(request, Opened(await unless_gone(request, asking), looks, most))
        except (aiohttp.ClientError, HttpProcessingError, Unfit, UnicodeError, ValueError) as error:
            self._service.recorder.fault("an MCP server cannot be asked, or its answer not be passed on", error)
            return answer.plain(502)

    def _looks(self, resource: Resource, asked: Request, verified: Verified | None) -> Looks | None:
        """Whether the answer may list tools, and which of them are shown.

        It does where it was asked for them, and where a stream is taken up again.  Clients take a list from any answer, and so
        where somebody has reviewed the tools every one is looked into: a changed tool must not come by another way.  A session's
        end brings no message: servers say 200 to it, and nothing more.
        """
        operation = asked.operation
        lists = operation is not None and operation.method in (listing.METHOD, "GET")
        if not lists and (asked.method == "DELETE" or not self._service.reviews.has(resource.name)):
            return None
        return Looks(Shown(self._service, resource, asked, verified).of, lists)

    @staticmethod
    async def _relayed(request: web.BaseRequest, opened: Opened) -> web.StreamResponse:
        try:
            return await relay(request, *opened)
        finally:
            with contextlib.suppress(Exception):  # the answer has gone out, or another error is on its way
                opened.found.close()  # one that was read to its end has gone back to its pool

    async def _read(self, request: web.BaseRequest, asked: Request, resource: Resource) -> tuple[Request, bytes | None]:
        """The request with what its body says, and what goes on of it: None where it is not whole."""
        if not resource.shadow and not isinstance(view.bearer_token(asked.headers), bytes):
            return asked, b""  # refused whatever it says: nothing more of it is read
        waits = not request.content.is_eof()
        if waits and not resource.shadow and self._flow.in_vain(resource.name, asked):
            return asked, None  # likewise; should the credential turn good by then, half a message is none
        limits = self._service.current.config.limits
        sent: bytes | None = None
        self._waited += waits
        try:
            with contextlib.suppress(form.BadForm):  # what is not there is misread below
                sent = await form.body(request, limits.max_mcp_body_bytes, self._turn)
        finally:
            self._waited -= waits
        found = body.read(request.method, asked.headers, sent, limits)
        asked = asked._replace(misread=found) if isinstance(found, Misread) else asked._replace(operation=found)
        # Of another method nobody has read the body: none goes on.
        return asked, sent if request.method == "POST" else b""

    def _still(self, resource: Resource) -> bool:
        """Whether the same server stands behind the name: a reload may have come while something was waited for."""
        now = self._service.current.policy.resources.get(resource.name)
        return now is not None and now.upstream == resource.upstream

    def _refused(self, decided: Decided, asked: Request) -> Answer:
        made = reply(decided, Question(FACE, asked, asked), self._service.current)
        return jsonrpc.asked_back(made, asked, decided.decision)
