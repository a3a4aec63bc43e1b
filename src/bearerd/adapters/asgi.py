"""Middleware for Starlette, FastAPI and every other ASGI application.

::

    app = BearerdMiddleware(app, verifier, resource="api")        # or  app.add_middleware(BearerdMiddleware, verifier=…, …)

What is allowed reaches the application with the decision in ``scope["bearerd"]`` and the identity headers of the resource;
what is refused is answered here.  A WebSocket is decided when it is opened, a stream when it is asked for, and neither again.
A message to an MCP server is decided by its body, which the application then reads as it came.
"""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from bearerd.adapters import answering, bodies, lists
from bearerd.errors import BearerdError

if TYPE_CHECKING:
    from bearerd.adapters.bodies import App, Message, Receive, Scope, Send
    from bearerd.api import Verifier
    from bearerd.faces.answer import Answer
    from bearerd.request import Request


class BearerdMiddleware:
    """Decides each request of an application by one resource's policy.

    The verifier runs for the application's lifespan, and for longer where the program, or another application, runs it, too.
    """

    def __init__(self, app: App, verifier: Verifier, *, resource: str) -> None:
        verifier.table(resource)  # a name that nobody has is told at once
        self._app = app
        self._verifier = verifier
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(scope, receive, send)
        elif kind in ("http", "websocket"):
            await self._ask(scope, receive, send)
        else:
            raise NotImplementedError(f"nobody decides what ASGI calls {kind!r}")

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._verifier.running:
            await _answer(answering.not_running(), scope, send)
            return
        asked = _read(scope)
        told = answering.described(self._verifier, self._resource, asked)
        if told is not None:
            await _answer(told, scope, send)
            return
        if scope["type"] == "http" and answering.reads_operations(self._verifier, self._resource, asked):
            sent, receive = await bodies.whole(receive, asked, self._verifier.current.config.limits)
            asked = answering.with_operation(asked, sent, self._verifier)
        judged = await self._verifier.judge(asked, self._resource)
        decision = judged.decided.decision
        if not decision.allowed:
            await _answer(answering.refusal(judged, asked, self._verifier), scope, send)
            return
        headers = answering.identified(scope["headers"], decision)
        if self._verifier.reviewed(self._resource) and lists.may_list(asked.operation):
            headers, send = lists.plain(headers), self._watching(send)
        await self._app({**scope, "headers": headers, answering.DECISION: decision}, receive, send)

    def _watching(self, send: Send) -> Send:
        most = self._verifier.current.config.limits.max_mcp_answer_bytes
        return lists.Watching(send, lambda tools: self._verifier.listed(self._resource, tools), most)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the verifier for as long as the application lives, whoever else does."""
        async with contextlib.AsyncExitStack() as running:
            try:
                await running.enter_async_context(self._verifier.lent())
            except BearerdError as error:
                await receive()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await Lifespan(receive, send).of(self._app, scope)


class Lifespan:
    """The application's own, or one instead of it: an application without any raises or returns at once."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._started = self._answered = False

    async def of(self, app: App, scope: Scope) -> None:
        """Until the server says that it is over."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if self._answered:
                raise
        if self._answered:
            return
        if not self._started:
            await self._receive()
        await self._send({"type": "lifespan.startup.complete"})
        await self._receive()
        await self._send({"type": "lifespan.shutdown.complete"})

    async def receive(self) -> Message:
        """What the server says, to the application."""
        self._started = True
        return await self._receive()

    async def send(self, message: Message) -> None:
        """What the application says, to the server."""
        self._answered = True
        await self._send(message)


def _read(scope: Scope) -> Request:
    """The request as its client sent it.  A server that does not tell the raw path leaves it unknown, and rules refuse it."""
    target, query = scope.get("raw_path"), scope.get("query_string")
    if target is not None and query:
        target = target + b"?" + query
    peer = (scope.get("client") or ("",))[0]
    return answering.read(scope.get("method", "GET"), target, tuple(map(tuple, scope["headers"])), peer=peer)


async def _answer(made: Answer, scope: Scope, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the server says 403
            return
        kind = "websocket.http.response"
    body = b"" if scope.get("method") == "HEAD" else made.body
    headers = [(name.lower().encode(), value.encode()) for name, value in made.headers]
    if made.status != HTTPStatus.NO_CONTENT:  # which has none (RFC 9110 section 8.6)
        headers.append((b"content-length", str(len(made.body)).encode()))
    await send({"type": f"{kind}.start", "status": made.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
