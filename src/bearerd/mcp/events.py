"""Server-sent events: a stream of bytes cut into whole events, which can be read, changed and written again.

MCP servers may answer a POST with such a stream, and what a client resumes is one (WHATWG HTML, section 9.2.6).
"""

from __future__ import annotations

import re
from typing import Final

MEDIA_TYPE: Final = "text/event-stream"

_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class TooLong(Exception):
    """An event without an end, or one that is longer than may be kept."""


class Events:
    """Cuts a stream: each call of ``feed`` returns the events that are whole by then, as bytes with their end."""

    def __init__(self, most: int) -> None:
        """``most``: bytes of one event."""
        self._most = most
        self._kept = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """Raises TooLong."""
        kept = self._kept
        searched = max(0, len(kept) - 3)  # what was there has no end, but for the beginning of one
        kept += data
        if not self._begun:
            # Only there it is none of the line's own.  A second one would be the client's first: none goes on.
            while kept.startswith(_BOM):
                del kept[: len(_BOM)]
                searched = 0
            self._begun = not _BOM.startswith(kept)
        whole, start = [], 0
        for end in [found.end() for found in _END.finditer(kept, searched)]:
            if end == len(kept) and kept[-1:] == b"\r":
                break  # a line feed may yet belong to it
            whole.append(bytes(kept[start:end]))
            start = end
        del kept[:start]
        if len(kept) > self._most or any(len(event) > self._most for event in whole):
            raise TooLong
        return whole

    def rest(self) -> bytes:
        """What was begun and not ended; a client ignores it, for it is no event."""
        kept, self._kept = bytes(self._kept), bytearray()
        return kept


def message_of(event: bytes) -> bytes | None:
    """The data of an event of type ``message``, its lines joined; None for any other, a comment, a bare ``id``.

    Messages of the protocol are of that type, which is an event's unless it says otherwise.
    """
    fields = _fields(event)
    lines = [value for name, value in fields if name == b"data"]
    types = [value for name, value in fields if name == b"event"]
    return b"\n".join(lines) if lines and (types[-1:] or [b"message"])[0] in (b"message", b"") else None


def with_data(event: bytes, data: bytes) -> bytes:
    """The same event with other data; its id, type and retry stay, so that a client can resume from it as before."""
    kept = [name + b": " + value for name, value in _fields(event) if name in (b"id", b"event", b"retry")]
    return b"\n".join([*kept, *(b"data: " + line for line in _LINE.split(data))]) + b"\n\n"


def _fields(event: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    for line in _LINE.split(event):
        name, _, value = line.partition(b":")
        if name:
            found.append((name, value.removeprefix(b" ")))
    return found
