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
from bearerd.faces.mcp.relay import Gone, Unfit, relay, unless_gone
from bearerd.faces.mcp.tools import Shown
from bearerd.faces.mcp.upstream import Upstream, onward
from bearerd.faces.reply import reply
from bearerd.mcp import body, listing
from bearerd.mcp.operation import Misread
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from aiohttp import web

    from bearerd.faces.answer import Answer
    from bearerd.flow import Decided, Flow
    from bearerd.policy.resource import Resource
    from bearerd.request import Request
    from bearerd.service import Service
    from bearerd.verify.verified import Verified

FACE: Final = "mcp"
PREFIX: Final = b"/mcp/"
METHODS: Final = ("POST", "GET", "DELETE", "OPTIONS")  # those of the transport, and a browser's preflight

_CLIENT_GONE: Final = 499  # nobody reads it


class Question(NamedTuple):
    """A request to an MCP server, as ``faces.reply`` answers it."""

    dialect: str
    request: Request | Refusal
    unknown: Request


class Passed(NamedTuple):
    """What goes on to the server, and who asks."""

    asked: Request
    sent: bytes
    verified: Verified | None

    @property
    def lists_tools(self) -> bool:
        """Whether the answer may list tools: it is asked for them, or is a stream that is taken up again."""
        operation = self.asked.operation
        return operation is not None and operation.method in (listing.METHOD, "GET")


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


class Proxy:
    """Of one process."""

    def __init__(self, service: Service, flow: Flow) -> None:
        self._service = service
        self._flow = flow
        self._upstream = Upstream(service.current.config.limits.max_connections)

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
        asked, sent = await self._read(request, asked, resource)
        trail = Trail()
        decided = await self._flow.run(name, asked, face=FACE, trail=trail, still=lambda: self._still(resource))
        if not decided.decision.allowed:
            return self._refused(decided, asked)
        if sent is None:  # a shadow resource refuses nothing; but half a message is none
            return answer.plain(400)
        return await self._passed_on(request, resource, decided, Passed(asked, sent, trail.verified))

    async def _read(self, request: web.BaseRequest, asked: Request, resource: Resource) -> tuple[Request, bytes | None]:
        """The request with what its body says, and what goes on of it: None where it is not whole."""
        if not resource.shadow and not isinstance(view.bearer_token(asked.headers), bytes):
            return asked, b""  # refused whatever it says: nothing more of it is read
        limits = self._service.current.config.limits
        sent: bytes | None = None
        with contextlib.suppress(form.BadForm):
            sent = await form.body(request, limits.max_mcp_body_bytes)
        found = body.read(request.method, asked.headers, sent or None, limits)
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

    async def _passed_on(
        self, request: web.BaseRequest, resource: Resource, decided: Decided, passed: Passed
    ) -> Answer | web.StreamResponse:
        decision = decided.decision
        headers = onward(passed.asked.headers, decision.headers_add, decision.headers_remove)
        keep = Shown(self._service, resource, passed.asked, passed.verified).of if passed.lists_tools else None
        most = self._service.current.config.limits.max_mcp_answer_bytes
        try:
            asking = self._upstream.ask(resource.upstream or "", request.method, headers, passed.sent)
            found = await unless_gone(request, asking)
            try:
                return await relay(request, found, keep, most)
            finally:
                with contextlib.suppress(Exception):  # the answer has gone out, or another error is on its way
                    found.close()  # one that was read to its end has gone back to its pool
        except Gone:
            return answer.plain(_CLIENT_GONE)
        except TimeoutError:
            return answer.plain(504)
        except (aiohttp.ClientError, HttpProcessingError, Unfit, UnicodeError, ValueError) as error:
            self._service.recorder.fault("an MCP server cannot be asked, or its answer not be passed on", error)
            return answer.plain(502)
