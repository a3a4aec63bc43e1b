"""What the supervisor's two HTTP listeners share."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from bearerd.faces import answer, server
from bearerd.serve.doors import Doors
from bearerd.serve.room import make_room

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bearerd.limits import Limits

MAX_CONNECTIONS: Final = 256  # to each of them

_LOGGER: Final = logging.getLogger("bearerd.supervisor")


def document(body: bytes, content_type: str, status: int = 200, **headers: str) -> web.Response:
    """What nobody stores, or takes for another kind of document.  ``headers``: ``WWW_Authenticate="…"``."""
    fields = {
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Server": answer.SOFTWARE,
    }
    fields |= {name.replace("_", "-"): text for name, text in headers.items()}
    return web.Response(status=status, body=body, headers=fields)


def json_answer(value: Any, status: int = 200, **headers: str) -> web.Response:
    """A JSON document.  ``headers``: as ``document``."""
    return document(orjson.dumps(value) + b"\n", "application/json", status, **headers)


@web.middleware
async def problems_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every error in one form, without a word of the request's."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return json_answer({"error": error.reason.lower()}, error.status, **headers)
    except Exception as error:  # its words stay here
        _LOGGER.error("a question to the supervisor failed", exc_info=error)
        return json_answer({"error": "internal error"}, 500)


@contextlib.asynccontextmanager
async def serving(app: web.Application, sockets: list[socket.socket], limits: Limits) -> AsyncIterator[None]:
    """Answer on bound sockets for as long as the block runs."""
    runner = server.app_runner(app, limits, shutdown_timeout=1.0)
    await runner.setup()
    made = runner.server
    assert made is not None  # noqa: S101 - set up just now
    connections = server.handlers(made)
    doors = Doors(made, lambda: len(connections), MAX_CONNECTIONS, make_room=lambda: make_room(connections))
    doors.open(sockets)
    try:
        yield
    finally:
        doors.shut()
        await runner.cleanup()
