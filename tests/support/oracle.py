"""aiohttp's request parser, set as faces/server.py sets it: what it reads in the same bytes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiohttp import _http_parser
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE
from support.heads import NEXT

from bearerd._native import head
from bearerd.faces import server
from bearerd.limits import Limits

_LOOP = asyncio.new_event_loop()
_LOOP.close()  # a parser wants one and, without a body to read, leaves it alone


class _Protocol:
    """As much of a connection as a body asks for."""

    _reading_paused = False

    def resume_reading(self, *, resume_parser: bool = True) -> None:
        """Nothing was paused."""


assert HttpRequestParser is _http_parser.HttpRequestParser, "aiohttp's parser in C is missing"


def parser(limits: Limits | None = None) -> Any:
    """As a connection of the public listener has it."""
    settings = server.settings(limits or Limits())
    kept = {name: settings[name] for name in ("max_line_size", "max_field_size", "max_headers", "auto_decompress")}
    return HttpRequestParser(_Protocol(), _LOOP, 1 << 16, max_msg_queue_size=MAX_MSG_QUEUE_SIZE, **kept)


def messages(data: bytes, limits: Limits | None = None) -> list[Any]:
    """The requests in ``data``; raises what the parser raises."""
    found, upgraded, tail = parser(limits).feed_data(data)
    assert not upgraded or tail is not None
    return list(found)


def outcome(data: bytes) -> str:
    """``reads`` (at least one request), ``waits`` or ``refuses``."""
    try:
        return "reads" if messages(data) else "waits"
    except HttpProcessingError:
        return "refuses"


def agrees(data: bytes, found: head.Whole | int | None, limits: Limits | None = None) -> None:
    """Hold a verdict on these bytes against what aiohttp makes of them."""
    limits = limits or Limits()
    if found is None:
        return
    if isinstance(found, int):
        _nothing_whole(data, limits)
        return
    own = data[: found.size]
    ((message, payload),) = messages(own, limits)
    request = SimpleNamespace(_message=message)
    assert message.method.encode() == found.method
    assert server.raw_target(request) == found.target
    assert message.raw_headers == found.fields
    assert tuple(message.version) == (1, 1)
    assert message.should_close == found.close
    assert payload is EMPTY_PAYLOAD
    assert not message.upgrade and not message.chunked
    assert server.head_size(request) <= limits.max_head_bytes
    assert len(own) <= limits.max_head_bytes
    assert messages(own[:-1], limits) == []
    if found.close:
        assert own == data
        return
    (again, _), (after, _) = messages(own + NEXT, limits)
    assert (again.raw_headers, after.path) == (message.raw_headers, "/auth/next")


def _nothing_whole(data: bytes, limits: Limits) -> None:
    try:
        assert messages(data, limits) == []
    except HttpProcessingError:  # it says earlier than we what is wrong: a field's name is judged when its line ends
        assert data.rpartition(b"\r\n")[2].strip(b"\r")
