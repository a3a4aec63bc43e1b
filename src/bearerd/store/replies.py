"""Replies of the store, bounded: what answers more than was to be expected is left before it takes the memory.

Whoever expects more than ``MOST`` says so with the command.  The bytes are measured before redis-py's parser sees them: it
makes room by what a reply says of itself.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from redis._parsers import _AsyncHiredisParser
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import InvalidResponse

from bearerd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bearerd._native.replies import Meter

MOST: Final = 1 << 20  # bytes of a reply to which nobody gave more; a thousand revocations take 80,000


class Unbounded(InvalidResponse):
    """More than may be answered, or no reply at all: the connection is of no use any more."""


@contextlib.contextmanager
def shaped() -> Iterator[None]:
    """While a reply is taken apart.  One of another shape (somebody else wrote our keys, or it is no answer to what was asked) is
    the store's fault, and nobody else's: a ValueError would be told to whoever revokes as a request that makes no sense.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"the store answered in another shape than it must ({type(error).__name__})") from None


class Parser(_AsyncHiredisParser):
    """redis-py's, behind a meter."""

    def __init__(self, meter: Meter, socket_read_size: int) -> None:
        super().__init__(socket_read_size)
        self._meter = meter

    async def read_from_socket(self) -> bool:
        """Some more bytes.  Raises Unbounded."""
        piece = await self._stream.read(self._read_size) if self._stream else b""
        if not piece:
            raise Gone("it closed the connection")
        fault = self._meter.take(piece)
        if fault is not None:
            raise Unbounded(fault)
        self._reader.feed(piece)  # type: ignore[attr-defined]  # it says None of what ``on_connect`` makes
        return True
