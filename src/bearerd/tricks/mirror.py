"""An upstream that takes notes: it reads whatever it gets as leniently as any server does, and answers everything with 200.

Put it where the application would stand, and it tells what a gateway lets through.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from bearerd.tricks import readings
from bearerd.tricks.seen import Seen

MOST_HEAD = 256 * 1024
MOST_NOTES = 100_000

_32_BITS = 0xFFFFFFFF
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_HTTP_09 = re.compile(rb"[A-Za-z]+ [^ \r\n]*\r?\n")


Believes = Literal["transfer-encoding", "content-length", "nothing"]


class Mirror:
    """Notes of every request, by tag.  ``believes`` says which of two lengths of a body it takes, if any."""

    def __init__(self, believes: Believes = "transfer-encoding") -> None:
        self.believes = believes
        self.notes: defaultdict[str, list[Seen]] = defaultdict(list)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._count = 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MOST_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, and end what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def take(self, tag: str) -> Sequence[Seen]:
        """What was received under a tag; the notes of it are gone then."""
        return self.notes.pop(tag, [])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            while await self._serve_one(reader, writer):
                pass
        except asyncio.CancelledError:
            pass  # close() waits for it
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whatever it was: it has been noted as far as it went
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await _head(reader)
        if not head.strip():
            return False
        place = self._note(Seen(head))
        trailers = await self._body(head, reader)
        if trailers:
            self.notes[place[0]][place[1]] = Seen(head, trailers)
        method, target = readings.request_line(head)
        said = {"method": method, "target": target, "headers": readings.fields(head)}
        body = json.dumps(said).encode() + b"\n"
        last = "close" in dict(_lower(head)).get("connection", "").lower() or b" HTTP/1.0" in head.partition(b"\n")[0]
        lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += ["Connection: close"] * last
        writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body))
        await writer.drain()
        return not last

    def _note(self, seen: Seen) -> tuple[str, int]:
        self._count += 1
        if self._count > MOST_NOTES:
            raise ValueError("too many requests to remember")
        notes = self.notes[seen.tag]
        notes.append(seen)
        return seen.tag, len(notes) - 1

    async def _body(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        """Read the body away; returns the trailers."""
        fields = _lower(head)
        chunked = any("chunked" in value.lower() for name, value in fields if name == "transfer-encoding")
        lengths = [int(value) & _32_BITS for name, value in fields if name == "content-length" and value.isdecimal()]
        if self.believes == "nothing":
            return b""
        if chunked and (self.believes == "transfer-encoding" or not lengths):
            return await _chunks(reader)
        left = lengths[0] if lengths else 0
        while left > 0 and (piece := await reader.read(min(left, 65536))):
            left -= len(piece)
        return b""


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Up to the first empty line, whatever ends the lines; a request line without a version stands alone."""
    head = b""
    while len(head) < MOST_HEAD:
        line = await reader.readline()
        head += line
        if not line or (head.strip() and _END_OF_HEAD.search(head.lstrip(b"\r\n"))) or _HTTP_09.fullmatch(head):
            break
    return head


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    while size := _size(await reader.readline()):
        await reader.readexactly(min(size, MOST_HEAD))
        await reader.readline()
    trailers = b""
    while (line := await reader.readline()).strip():
        trailers += line
    return trailers


def _size(line: bytes) -> int:
    """As C's strtoul reads it, into 32 bits: what is no number is none."""
    digits = re.match(rb"[\s+-]*(?:0x)?([0-9a-fA-F]*)", line)
    return int(digits[1] or b"0", 16) & _32_BITS if digits else 0


def _lower(head: bytes) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in readings.fields(head)]
