"""A server's answer on its way to the client: passed on as it comes, or looked into where it may list tools.

Nothing is kept that need not be: a stream goes on event by event.  A client that leaves ends the server's work with it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import aiohttp
from aiohttp import web

from bearerd.faces.mcp.upstream import back
from bearerd.faces.server import Handler
from bearerd.mcp import events, listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from bearerd.mcp.listing import Tool

    Keep = Callable[[Iterable[Tool]], Iterable[Tool]]

T = TypeVar("T")

LOOK_SECONDS: Final = 1.0  # between two looks at whether the client is still there
PIECE: Final = 16 * 1024
"""Bytes that are looked into and written at once: between two pieces others are answered."""

_JSON: Final = "application/json"
_NO_BODY: Final = frozenset({202, 204, 304})


class Looks(NamedTuple):
    """An answer that is looked into."""

    keep: Keep  # of listed tools, those that are shown
    lists: bool  # it is to list them: whatever cannot be looked into is not passed on


class Gone(Exception):
    """The client has left."""


class Unfit(Exception):
    """The server's answer cannot be passed on."""


async def unless_gone(request: web.BaseRequest, awaited: Awaitable[T]) -> T:
    """Wait for something, as long as the client does.  Raises Gone."""
    task = asyncio.ensure_future(awaited)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_SECONDS)
            if not task.done():
                if request.transport is None or request.transport.is_closing():
                    raise Gone
                if isinstance(request.protocol, Handler):
                    request.protocol.hear_the_end()
        return task.result()
    finally:
        task.cancel()


async def relay(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    looks: Looks | None,
    most: int,
) -> web.StreamResponse:
    """Pass an answer on, looked into or as it comes.

    ``most``: bytes of a message that is looked into.  Raises Gone, and Unfit while nothing was sent yet.
    """
    if not 200 <= answer.status < 600:
        raise Unfit("no answer of HTTP's, or one to a change of protocols that nobody asked for")
    if 300 <= answer.status < 400 and answer.status != 304:
        raise Unfit("a redirect: the client would take its token there")
    headers = back(answer.raw_headers)
    if looks is None or not _may_list(answer, looks):
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = answer.content_length
        return await _send(request, response, answer, _as_it_comes(request, answer))
    keep = looks.keep
    if answer.content_type == events.MEDIA_TYPE:
        response = web.StreamResponse(status=answer.status, headers=headers)
        return await _send(request, response, answer, _by_event(request, answer, keep, most))
    message = await unless_gone(request, _whole(answer, most))
    try:
        return web.Response(status=answer.status, headers=headers, body=listing.shown(message, keep))
    except listing.Unreadable as error:
        raise Unfit(str(error)) from None


def _may_list(answer: aiohttp.ClientResponse, looks: Looks) -> bool:
    """Whether a client may find a list of tools in it.  Raises Unfit where that cannot be seen."""
    if answer.status in _NO_BODY or not 200 <= answer.status < 300:
        return False  # MCP's clients take no result from these
    if not looks.lists and answer.content_length == 0:
        return False
    types = answer.headers.getall("Content-Type", ())
    # Clients look for the name of a type at the field's beginning, or anywhere in it: ``application/jsonx`` is JSON to them.
    taken_for = {kind for kind in (_JSON, events.MEDIA_TYPE) if any(kind in value.lower() for value in types)}
    if not looks.lists and len(types) == 1 and not taken_for:
        return False
    if any(coding.lower() != "identity" for coding in answer.headers.getall("Content-Encoding", ())):
        raise Unfit("a compressed answer, which was not asked for")
    if len(types) != 1 or (answer.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise Unfit("an answer of several types, or in another encoding than UTF-8")
    if taken_for != {answer.content_type}:
        raise Unfit("neither JSON nor a stream of events, or one that may be taken for the other")
    return True


async def _send(
    request: web.BaseRequest,
    response: web.StreamResponse,
    answer: aiohttp.ClientResponse,
    pieces: AsyncIterator[bytes],
) -> web.StreamResponse:
    """From the first byte on there is no other answer: whatever fails then ends the connection, so that it is seen."""
    if response.content_length is None and answer.status not in _NO_BODY:
        response.enable_chunked_encoding()
    try:
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except BaseException as error:  # what is not foreseen, too: a second answer would stand in the midst of the first
        if request.transport is not None:
            request.transport.abort()
        if not isinstance(error, Exception):
            raise
    return response


async def _as_it_comes(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    while piece := await unless_gone(request, answer.content.read(PIECE)):
        yield piece


async def _by_event(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    keep: Keep,
    most: int,
) -> AsyncIterator[bytes]:
    cut = events.Events(most)
    async for piece in _as_it_comes(request, answer):
        # Written together: of a server that says nothing but line ends each would be an event, and a write.
        if whole := b"".join(_event(event, keep) for event in cut.feed(piece)):
            yield whole


def _event(event: bytes, keep: Keep) -> bytes:
    data = events.message_of(event)
    if not data or (shown := listing.shown(data, keep)) is data:
        return event
    return events.with_data(event, shown)


async def _whole(answer: aiohttp.ClientResponse, most: int) -> bytes:
    read = bytearray()
    while piece := await answer.content.readany():
        read += piece
        if len(read) > most:
            raise Unfit("an answer longer than may be looked into")
    return bytes(read)
