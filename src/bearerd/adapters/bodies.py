"""The body of an ASGI request, read before the application reads it, and given to it as if nobody had."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bearerd.limits import Limits
    from bearerd.request import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SECONDS: Final = 10.0  # for all of it


async def whole(receive: Receive, asked: Request, limits: Limits) -> tuple[bytes | None, Receive]:
    """The body, and what the application is to read it from; None where it is too long, too slow, or never ends.

    Of a method other than POST nothing is read.  In shadow also what could not be read whole is the application's to judge:
    it misses nothing of it.
    """
    if asked.method != "POST":
        return None, receive
    found, ended, last = await _read(receive, limits.max_mcp_body_bytes)
    taken: list[Message] = [] if last is None else [last]
    if found or ended:
        taken.insert(0, {"type": "http.request", "body": found, "more_body": not ended})
    return found if ended and len(found) <= limits.max_mcp_body_bytes else None, _again(taken, receive)


async def _read(receive: Receive, most: int) -> tuple[bytes, bool, Message | None]:
    """What came of it, in one piece however many there were; whether that is all; and whatever else the server said."""
    found = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while len(found) <= most:
                message = await receive()
                if message["type"] != "http.request":  # whoever asked is gone
                    return bytes(found), False, message
                found += message.get("body", b"")
                if not message.get("more_body", False):
                    return bytes(found), True, None
    except TimeoutError:
        pass
    return bytes(found), False, None


def _again(taken: list[Message], receive: Receive) -> Receive:
    """What the server said already, and then whatever it says."""
    unread = taken[::-1]

    async def first() -> Message:
        return unread.pop() if unread else await receive()

    return first
