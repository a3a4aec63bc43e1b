"""Connections without a network: what is sent and what comes back are bytes, and the loop's turns are the only time.

``Line`` stands in for a transport; ``Ends`` asks a house's lane and aiohttp's server the same, each on a line of its own.
"""

from __future__ import annotations

import asyncio
import re
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from support.house import House

HERE = "127.0.0.1"
STRANGER = "192.0.2.7"
TURNS = 12  # of the loop, after which whatever is done without waiting for time is done
MOST_TURNS = 5000

_DATE = re.compile(rb"\r\nDate: [^\r]*")
_ID = re.compile(rb"\b[0-9a-f]{32}\b")


class Line(asyncio.Transport):
    """A transport whose other end is the test."""

    def __init__(self, protocol: asyncio.Protocol, peer: str = HERE) -> None:
        fake = SimpleNamespace(family=socket.AF_INET, setsockopt=lambda *_: None)
        super().__init__({"socket": fake, "peername": (peer, 4711)})
        self.sent = bytearray()
        self.reading = True
        self.closed = self.aborted = False  # closed by the server
        self.lost = False  # the protocol was told that it is over
        self.stalled = False  # nothing more is read by the other end
        self.at_door = 0  # bytes that had been written when another protocol took over
        self._protocol = protocol
        protocol.connection_made(self)

    # ---- as a transport

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert not self.stalled, "handed over while what was written waits"
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol, self.at_door = protocol, len(self.sent)

    def write(self, data: Any) -> None:
        assert not self.lost
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if not self.stalled:  # what was written goes out first
                asyncio.get_running_loop().call_soon(self._lose)

    def abort(self) -> None:
        self.closed = self.aborted = True
        asyncio.get_running_loop().call_soon(self._lose)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    # ---- as the other end

    def feed(self, data: bytes) -> None:
        """Bytes arrive, unless the connection is over.  A fault of the protocol's ends it, as a loop has it."""
        if self.closed or not data:
            return
        try:
            self._protocol.data_received(data)
        except Exception:  # noqa: BLE001 - whatever it is
            self.abort()

    def stall(self) -> None:
        """Nothing of what is written is read any more."""
        self.stalled = True
        self._protocol.pause_writing()

    def flow(self) -> None:
        """It is read again."""
        self.stalled = False
        if self.closed:
            self._lose()
        else:
            self._protocol.resume_writing()

    def hang_up(self) -> None:
        """The other end is gone."""
        self.closed = True
        self._lose()

    def end(self) -> None:
        """The other end sends no more."""
        if not self.closed and not self._protocol.eof_received():
            self.close()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._protocol.connection_lost(None)


def told(sent: bytes) -> bytes:
    """What was answered without what no two answers share: dates go, and request ids are numbered as they come."""
    names: dict[bytes, bytes] = {}
    return _ID.sub(lambda match: names.setdefault(match[0], b"ID%d" % len(names)), _DATE.sub(b"", sent))


def ids(sent: bytes) -> list[str]:
    """The request ids in what was answered, each once."""
    return list(dict.fromkeys(match[0].decode() for match in _ID.finditer(_DATE.sub(b"", sent))))


def lane_line(house: House, peer: str = HERE, listener: str = "") -> Line:
    """A new connection to the lane.  ``listener``: the dialect that is fixed where it came in."""
    return Line(house.clerk.connection(listener), peer)


def plain_line(house: House, peer: str = HERE, listener: str = "") -> Line:
    """A new connection to aiohttp."""
    assert house.runner.server is not None
    handler: Any = house.runner.server()
    handler.dialect = listener
    return Line(handler, peer)


def busy(house: House) -> bool:
    """Whether an answer is under way."""
    assert house.runner.server is not None
    # Messages wait without anybody at work where aiohttp lingers for a body that has turned out malformed: ten seconds.
    theirs = any(
        one._request_in_progress or (one._messages and one._waiter is not None)
        for one in house.runner.server.connections
    )
    clerk = getattr(house, "clerk", None)
    return theirs or bool(clerk and (clerk._turns.waiting or clerk._left.waiting))


async def settle(*houses: House, until: Callable[[], bool] = lambda: True) -> None:
    """Until everything is answered that can be without time passing."""
    quiet = 0
    for _ in range(MOST_TURNS):
        await asyncio.sleep(0)
        quiet = quiet + 1 if until() and not any(map(busy, houses)) else 0
        if quiet == TURNS:
            return
    raise AssertionError("it does not come to rest")


async def conversation(house: House, line: Line, pieces: Iterable[bytes]) -> Line:
    """Send the pieces, each when the one before was seen to."""
    for piece in pieces:
        line.feed(piece)
        await settle(house)
    return line
