"""How a process lets go of its connections without losing a request.

A client that keeps a connection alive may send its next request in the instant in which it is closed, and then cannot know
whether it was served.  So a connection is closed after an answer that says so (``Connection: close``); only one that stays
idle until the end of the patience is closed unasked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from bearerd.lane.clerk import Clerk
    from bearerd.serve.doors import Doors

LINGER: Final = 1.0  # seconds in which a client that keeps a connection alive is likely to ask again
CUT: Final = 0.5  # seconds for a handler that is cancelled
STEP: Final = 0.02  # seconds between two looks at what is left


async def depart(server: web.Server, clerk: Clerk, doors: Doors, patience: float, *, successor: bool) -> int:
    """Answer what is under way, for at most ``patience`` seconds; returns how many connections were cut off.

    From now on each answer closes its connection.  With a successor, who accepts from the same sockets, we accept nothing
    more.  Without one we go on accepting for a moment, for those who have not yet noticed that readiness failed.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    clerk.lane.closing = True
    server.request_handler = _closing(server.request_handler)
    for connection in server.connections:
        connection._request_handler = server.request_handler  # noqa: SLF001 - aiohttp copies it once a connection
    if successor:
        doors.shut()
        await _empty(server, clerk, doors, loop.time() + patience / 2)
    else:
        await _empty(server, clerk, doors, loop.time() + min(LINGER, patience / 2))
        await doors.shut_for_good(max(CUT, (end - loop.time()) / 2))
    for waiting in list(clerk.lane.connections):
        waiting.shut()
    for connection in server.connections:
        if connection._request_in_progress or connection._messages:  # noqa: SLF001 - aiohttp has no other word for busy
            connection.close()  # after its answer
        else:
            connection.force_close()
    await _empty(server, clerk, doors, end)
    left = len(server.connections) + len(clerk.lane.connections)
    for waiting in list(clerk.lane.connections):
        waiting.abort()
    await doors.turn_away()
    await server.shutdown(CUT)
    clerk.stop()
    return left


async def _empty(server: web.Server, clerk: Clerk, doors: Doors, deadline: float) -> None:
    loop = asyncio.get_running_loop()
    while (server.connections or clerk.lane.connections or doors.coming) and loop.time() < deadline:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(STEP)


def _closing(handler: Callable[[Any], Awaitable[web.StreamResponse]]) -> Callable[[Any], Awaitable[web.StreamResponse]]:
    async def answer(request: Any) -> web.StreamResponse:
        response = await handler(request)
        response.force_close()
        return response

    return answer
