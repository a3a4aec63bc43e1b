"""What a TLS client has this process decrypt must bring something.

TLS lets either side send as many records without a byte for the application as it likes.  A change of keys (KeyUpdate) is
27 bytes on the wire, which anybody may send, and 25 µs of work: a client that sends nothing else would have the loop to
itself, for what the kernel holds of its bytes is taken at once, until the watchdog ends the process.  So would one that puts
a few bytes behind each: what counts is how many records bring nothing, and only much of what others bring makes up for it.

A connection's records are made and shaken hands by before the loop has anything to do with them (``handshakes``).  The loop
then brings buffers of its own, and takes them for new: ``Shaken`` is what it asks for them.
"""

from __future__ import annotations

import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")

HEAD: Final = 5  # bytes of a record's head, of which the last two say how many follow
MOST_FRUITLESS: Final = 64  # records
WORTH: Final = 16 * 1024  # bytes for the application that make up for one: as many as a record may hold


RECORDS: Final[ContextVar[list[Records]]] = ContextVar("RECORDS")
"""Of the connection that the task makes in whose context this is set: the loop asks for them in a copy of it.

They are taken out: copies of the context live as long as whatever is begun for the connection, and would keep them.
"""


class Records(ssl.SSLObject):
    """For ``SSLContext.sslobject_class``: one connection's, read from by the loop."""

    _sslobj: Any  # what does OpenSSL's part
    _arrived: ssl.MemoryBIO  # what whoever reads from the socket writes to
    _given: ssl.MemoryBIO  # what OpenSSL reads from: one record at a time, or it would take all that there is
    _made: ssl.MemoryBIO  # what OpenSSL writes to
    _leaving: ssl.MemoryBIO  # what is to go to the socket
    _head = b""  # of the next record, as far as it has come
    _lacking = 0  # bytes of the record that was begun
    _whole = False  # a record was given, and nobody knows yet what it brings
    _fruitless = 0  # bytes that records would have had to bring

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **more: Any) -> Self:
        given = ssl.MemoryBIO()
        records: Self = super()._create(given, outgoing, **more)  # type: ignore[misc]
        records._arrived, records._given = incoming, given
        records._made = records._leaving = outgoing
        return records

    def move(self, arrived: ssl.MemoryBIO, leaving: ssl.MemoryBIO) -> None:
        """Go on with other buffers, and what is in these."""
        arrived.write(self._arrived.read())
        self._arrived, self._leaving = arrived, leaving
        self._pass_on()

    def do_handshake(self) -> None:
        """As ever; what it takes is bounded by its own limits, and by time."""
        self._fed(super().do_handshake)
        self._whole = False

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as ssl names it
        """As ever, but for an error where far too much brings nothing: the loop then cuts the connection off."""
        read = self._sslobj.read
        if not self._given.pending:
            self._give()  # spares the exception that would ask for it
        while True:
            try:
                found = read(len) if buffer is None else read(len, buffer)
            except ssl.SSLWantReadError:
                self._count()
                if not self._give():
                    self._pass_on()
                    raise
            else:
                self._whole = self._whole and bool(self._given.pending)
                if self._fruitless:
                    self._fruitless = max(0, self._fruitless - (found.__len__() if buffer is None else found))
                return found

    def write(self, data: Any) -> int:
        """As ever."""
        written: int = self._sslobj.write(data)
        self._pass_on()
        return written

    def pending(self) -> int:
        """Bytes that can be read or may become such."""
        return int(self._sslobj.pending()) + self._given.pending

    def unwrap(self) -> None:
        """As ever."""
        try:
            self._fed(super().unwrap)
        finally:
            self._pass_on()

    def _fed(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if not self._give():
                    raise

    def _count(self) -> None:
        """More is asked for: what was given has brought nothing, if it was whole."""
        if self._whole:
            self._whole = False
            self._fruitless += WORTH
            if self._fruitless > MOST_FRUITLESS * WORTH:
                raise ssl.SSLError("records without end that bring nothing") from None

    def _give(self) -> bool:
        """The next record, or as much of it as there is; whether that is anything."""
        begins = not self._lacking
        if begins:
            self._head += self._arrived.read(HEAD - len(self._head))
            if len(self._head) < HEAD:
                return False
            self._lacking = int.from_bytes(self._head[-2:])
        piece = self._arrived.read(self._lacking)
        self._lacking -= len(piece)
        self._given.write(self._head + piece)
        self._head = b""
        self._whole = not self._lacking
        return begins or bool(piece)

    def _pass_on(self) -> None:
        if self._made is not self._leaving and self._made.pending:
            self._leaving.write(self._made.read())


class Shaken(ssl.SSLContext):
    """Stands, for the loop, for the context of connections whose handshake is over."""

    def __new__(cls) -> Self:
        """Of its own it makes nothing."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> Records:
        """The records that this connection has, with the buffers that the loop brings.  Raises LookupError where none are left."""
        records = RECORDS.get().pop()
        records.move(incoming, outgoing)
        return records
