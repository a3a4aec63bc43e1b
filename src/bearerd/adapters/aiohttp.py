"""Middleware for aiohttp's server.

::

    setup(app, verifier, resource="api")

A handler finds the decision in ``request[DECISION]``, and the identity headers of the resource among the request's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from multidict import CIMultiDict

from bearerd.adapters import answering
from bearerd.decision import Decision
from bearerd.faces import server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bearerd.api import Verifier
    from bearerd.faces.answer import Answer

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_Key: Any = getattr(web, "RequestKey", None)  # aiohttp 3.14
DECISION: Final[Any] = answering.DECISION if _Key is None else _Key(answering.DECISION, Decision)
"""Where a handler finds the decision."""


def setup(app: web.Application, verifier: Verifier, *, resource: str) -> None:
    """Decide each request of an application by one resource's policy, before any middleware that it has.

    The verifier runs for as long as the application, and for longer where the program, or another application, runs it, too.
    """
    if verifier.table(resource).kind == "mcp":
        raise ValueError(f"resource {resource} is an MCP server, whose messages are decided in bearerd.adapters.asgi")

    @web.middleware
    async def decide(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not verifier.running:
            return _response(answering.not_running())
        headers = request._message.raw_headers  # noqa: SLF001 - as received; aiohttp offers them nowhere else
        asked = answering.read(request.method, server.raw_target(request), headers, peer=request.remote or "")
        told = answering.described(verifier, resource, asked)
        if told is not None:
            return _response(told)
        judged = await verifier.judge(asked, resource)
        decision = judged.decided.decision
        if not decision.allowed:
            return _response(answering.refusal(judged, asked, verifier))
        told_headers = answering.identified(headers, decision)
        passed = request.clone(headers=CIMultiDict((_text(name), _text(value)) for name, value in told_headers))
        passed[DECISION] = decision
        return await handler(passed)

    async def run(_: web.Application) -> AsyncIterator[None]:
        async with verifier.lent():
            yield

    app.middlewares.insert(0, decide)
    app.cleanup_ctx.insert(0, run)


def _text(value: bytes) -> str:
    """As aiohttp's parser reads it."""
    return value.decode("utf-8", "surrogateescape")


def _response(made: Answer) -> web.Response:
    return web.Response(status=made.status, headers=CIMultiDict(made.headers), body=made.body or None)
