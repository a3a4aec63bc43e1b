"""The answers of an ASGI application, looked into where they may list tools: a tool that is not what was reviewed is marked.

They reach the client as they came.  What cannot be looked into does not: the application is told so by an exception, and
its server ends the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.mcp import events, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bearerd.adapters.bodies import Message, Send
    from bearerd.mcp.listing import Tool
    from bearerd.mcp.operation import Operation
    from bearerd.request import Headers

_ASKED_BY: Final = (listing.METHOD, "GET")  # a stream that is taken up again may hold the answer
_ENCODING: Final = b"accept-encoding"


def may_list(operation: Operation | None) -> bool:
    """Whether the answer may list tools."""
    return operation is not None and operation.method in _ASKED_BY


def plain(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The request's fields without the wish for a compressed answer."""
    return [(name, value) for name, value in headers if name.lower() != _ENCODING]


class Watching:
    """An ASGI ``send``.  ``see`` is told of tools before the client is; ``most``: bytes of one message."""

    def __init__(self, send: Send, see: Callable[[list[Tool]], None], most: int) -> None:
        self._send, self._see, self._most = send, see, most
        self._stream: events.Events | None = None
        self._looks = False
        self._read = bytearray()

    async def __call__(self, message: Message) -> None:
        """Raises listing.Unreadable, events.TooLong."""
        if message["type"] == "http.response.start":
            self._begin(message)
        elif message["type"] == "http.response.body" and self._looks:
            self._look(message.get("body", b""), last=not message.get("more_body", False))
        await self._send(message)

    def _begin(self, message: Message) -> None:
        fields = {name.lower(): value.lower() for name, value in message.get("headers", ())}
        self._looks = message["status"] == 200  # no other answer is a result
        if self._looks and fields.get(b"content-encoding", b"identity") != b"identity":
            raise listing.Unreadable("a compressed answer, which was not asked for")
        if fields.get(b"content-type", b"").partition(b";")[0].strip() == events.MEDIA_TYPE.encode():
            self._stream = events.Events(self._most)

    def _look(self, piece: bytes, *, last: bool) -> None:
        if self._stream is not None:
            for event in self._stream.feed(piece):
                self._take(events.message_of(event))
            return
        self._read += piece
        if len(self._read) > self._most:
            raise listing.Unreadable("an answer longer than may be looked into")
        if last:
            self._take(bytes(self._read))

    def _take(self, message: bytes | None) -> None:
        if message:
            listing.shown(message, self._seen)

    def _seen(self, tools: Iterable[Tool]) -> list[Tool]:
        listed = list(tools)
        self._see(listed)
        return listed
