"""What a TLS client has this process decrypt must bring something.

TLS lets either side send as many records without a byte for the application as it likes.  A change of keys (KeyUpdate) is
27 bytes on the wire, which anybody may send, and 25 µs of work: a client that sends nothing else would have the loop to
itself, for what the kernel holds of its bytes is taken at once, until the watchdog ends the process.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")

SLICE: Final = 4 * 1024  # bytes that OpenSSL is given at once: it would take all that there is, however long
MOST_FRUITLESS: Final = 20 * 1024  # bytes: a record of 16 KiB may come in pieces, and brings nothing until its last
WORTH: Final = 32  # bytes on the wire that each byte may cost: one that has a record of its own costs 23


class Records(ssl.SSLObject):
    """For ``SSLContext.sslobject_class``: one connection's, read from by the loop."""

    _sslobj: Any  # what does OpenSSL's part
    _arrived: ssl.MemoryBIO  # what the loop writes to
    _given: ssl.MemoryBIO  # what OpenSSL reads from
    _fruitless = 0  # bytes given that have brought nothing, less those that what came otherwise was worth

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **more: Any) -> Self:
        given = ssl.MemoryBIO()
        made: Self = super()._create(given, outgoing, **more)  # type: ignore[misc]
        made._arrived, made._given = incoming, given
        return made

    def do_handshake(self) -> None:
        """As ever; what it takes is bounded by its own limits, and by time."""
        self._fed(super().do_handshake)
        self._fruitless = 0

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as ssl names it
        """As ever, but for an error where far too much brings nothing: the loop then cuts the connection off."""
        read = self._sslobj.read
        if not self._given.pending:
            self._give()  # spares the exception that would ask for it
        while True:
            try:
                found = read(len) if buffer is None else read(len, buffer)
            except ssl.SSLWantReadError:
                if not self._give():
                    raise
                if self._fruitless > MOST_FRUITLESS:
                    raise ssl.SSLError("records without end that bring nothing") from None
            else:
                fruitless = self._fruitless - WORTH * (found.__len__() if buffer is None else found)
                self._fruitless = fruitless if fruitless > 0 else 0
                return found

    def pending(self) -> int:
        """Bytes that can be read or may become such."""
        return int(self._sslobj.pending()) + self._given.pending

    def unwrap(self) -> None:
        """As ever."""
        self._fed(super().unwrap)

    def _fed(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if not self._give():
                    raise

    def _give(self) -> bool:
        piece = self._arrived.read(SLICE)
        self._given.write(piece)
        self._fruitless += len(piece)
        return bool(piece)
