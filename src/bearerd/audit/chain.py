"""The chain of one process: every record carries a MAC over itself and over the MAC before it, under a key that moves on.

A record is one line of JSON.  Its MAC is over the line's bytes up to the MAC itself, so that a verifier needs no canonical
form, and whoever keeps records has to keep their bytes.  Records are sealed in segments; with each seal the key is replaced
by a one-way function of itself, so that what a process holds is good for no record that it has sealed.
"""

from __future__ import annotations

import re
import secrets
from typing import Final, NamedTuple

from bearerd._native.mac import Mac

MAC_BYTES: Final = 16
PROCESS: Final = re.compile(rb"[0-9a-f]{16}")
_PURPOSE: Final = b"bearerd-audit-1\0"
_NEXT: Final = b"bearerd-audit-next-1\0"
_MAC: Final = b',"mac":"'
_HEAD: Final = b"bearerd-audit-head-1\0"


class Head(NamedTuple):
    """What is told outside of a sealed segment: that it was there, and where it ended."""

    process: str
    segment: int
    first: int  # sequence of its first record
    last: int  # of the seal itself
    mac: str  # the seal's: with it all that came before stands and falls
    final: bool  # the process has ended; nothing comes after it
    proof: str  # by the segment's key: nobody else can make up a head

    def said(self) -> bytes:
        """All of it but the proof."""
        return b"\0".join(str(part).encode() for part in self[:-1])


def first_key(key: bytes, process: str) -> Mac:
    """Of a process's first segment."""
    return Mac(Mac(key).of(_PURPOSE + process.encode()))


def next_key(key: Mac) -> Mac:
    """Of the segment after.  The way back would be a pre-image."""
    return Mac(key.of(_NEXT))


def mac_of(key: Mac, text: bytes) -> bytes:
    """In hexadecimal."""
    return key.of(text)[:MAC_BYTES].hex().encode()


def proof_of(key: Mac, head: Head) -> str:
    """What only a holder of the segment's key can say of its head."""
    return mac_of(key, _HEAD + head.said()).decode()


def apart(line: bytes) -> tuple[bytes, bytes | None]:
    """The text that is under the MAC, and the MAC; None where the line is not whole."""
    text, sign, rest = line.rstrip(b"\n").rpartition(_MAC)
    if not sign or len(rest) != 34 or not rest.endswith(b'"}'):
        return line, None
    return text, rest[:-2]


class Chain:
    """Of one incarnation of one process: its name is drawn anew at each start, so two never write the same one."""

    def __init__(self, key: bytes | None, process: str | None = None) -> None:
        """``key``: the operator's, which is not kept; None: records are only numbered."""
        self.process: Final = process or secrets.token_hex(8)
        self._key = None if key is None else first_key(key, self.process)
        self._place = b'{"chain":{"process":"%s","segment":' % self.process.encode()
        self.segment = 0
        self.sequence = 0  # of the next record
        self._first = 0  # of this segment
        self._previous = b""

    @property
    def keyed(self) -> bool:
        """Whether there are MACs, and so seals."""
        return self._key is not None

    @property
    def unsealed(self) -> int:
        """Records since the last seal."""
        return self.sequence - self._first

    def line(self, body: bytes) -> bytes:
        """The next record.  ``body``: members of an object, at least one."""
        if self._key is None:
            text = b'%s%d,"sequence":%d},%s}\n' % (self._place, self.segment, self.sequence, body)
        else:
            said = b'%s%d,"sequence":%d,"previous":"%s"},%s' % (
                self._place,
                self.segment,
                self.sequence,
                self._previous,
                body,
            )
            self._previous = mac_of(self._key, said)
            text = b'%s,"mac":"%s"}\n' % (said, self._previous)
        self.sequence += 1
        return text

    def seal(self, time: bytes, *, final: bool = False) -> tuple[bytes, Head]:
        """End a segment: its last record, and its head.  Without a key there is nothing to seal."""
        if self._key is None:
            raise RuntimeError("a chain without a key has no seals")
        body = b'"time":"%s","event":"seal","first":%d,"records":%d,"final":%s'
        line = self.line(body % (time, self._first, self.unsealed + 1, b"true" if final else b"false"))
        head = Head(
            self.process, self.segment, self._first, self.sequence - 1, self._previous.decode(), final, proof=""
        )
        head = head._replace(proof=proof_of(self._key, head))
        self._key = next_key(self._key)
        self.segment += 1
        self._first = self.sequence
        return line, head
