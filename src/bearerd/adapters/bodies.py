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

    Of a method other than POST nothing is read.
    """
    if asked.method != "POST":
        return None, receive
    body = await _read(receive, limits.max_mcp_body_bytes)
    return body, receive if body is None else _again(body, receive)


async def _read(receive: Receive, most: int) -> bytes | None:
    found = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":  # whoever asked is gone
                    return None
                found += message.get("body", b"")
                if len(found) > most:
                    return None
                if not message.get("more_body", False):
                    return bytes(found)
    except TimeoutError:
        return None


def _again(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, and then whatever the server says."""
    unread = [body]

    async def first() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return first
