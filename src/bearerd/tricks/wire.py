"""Sends a trick's bytes as they are, and reads what comes back: bounded in time and in bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl

from bearerd.tricks.model import Answer

SECONDS = 2.0  # a request that the gateway takes for half of one is never answered
CONNECT_SECONDS = 10.0
MOST_BYTES = 256 * 1024

_END_OF_HEAD = re.compile(rb"\r\n\r\n|\n\n")


async def send(
    host: str,
    port: int,
    data: bytes,
    *,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
    seconds: float = SECONDS,
    most: int = MOST_BYTES,
) -> list[Answer]:
    """The answers to these bytes, in order; empty where the gateway says nothing.  Raises OSError where nobody listens."""
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(host, port, ssl=tls, server_hostname=name if tls else None), CONNECT_SECONDS
    )
    got = bytearray()
    to_head = data.startswith(b"HEAD ")
    try:
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(_write(writer, data), _read(reader, got, most, to_head))
    finally:
        writer.transport.abort()
    return answers(bytes(got), to_head=to_head)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(OSError):  # it may refuse in the middle, and its answer still wants to be read
        writer.write(data)
        await writer.drain()


async def _read(reader: asyncio.StreamReader, got: bytearray, most: int, to_head: bool) -> None:
    while len(got) < most and (piece := await reader.read(65536)):
        got += piece
        if _is_last(bytes(got), to_head=to_head):
            return  # some gateways leave the connection open for a second then


def _is_last(data: bytes, *, to_head: bool) -> bool:
    """Whether all of an answer is here that says that no other follows."""
    found, rest, whole = _parse(data, to_head=to_head)
    return bool(found) and whole and not rest and "close" in found[-1].get("connection").lower()


def answers(data: bytes, *, to_head: bool = False) -> list[Answer]:
    """Read what came back, also where it ends too early; interim answers (1xx) are left out.

    ``to_head``: the first is to a HEAD, so that its length is of no body, and what follows is the next answer.
    """
    return _parse(data, to_head=to_head)[0]


def _parse(data: bytes, *, to_head: bool) -> tuple[list[Answer], bytes, bool]:
    """The answers, what is behind them, and whether the last is all there."""
    found: list[Answer] = []
    whole = True
    while data.startswith(b"HTTP/") and (end := _END_OF_HEAD.search(data)):
        head, data = data[: end.start()], data[end.end() :]
        lines = head.decode("latin-1").splitlines()
        status = lines[0].split(" ")[1:2]
        if not status or not status[0].isdecimal():
            break
        fields = tuple(
            (name.strip().lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines[1:])
        )
        if to_head and not found and int(status[0]) >= 200:
            body, whole = b"", True
        else:
            body, data, whole = _body(int(status[0]), dict(fields), data)
        if int(status[0]) >= 200:
            found.append(Answer(int(status[0]), fields, body))
    return found, data, whole


def _body(status: int, fields: dict[str, str], data: bytes) -> tuple[bytes, bytes, bool]:
    """The body, what is behind it, and whether it is all there."""
    if status < 200 or status in (204, 304):
        return b"", data, True
    if "chunked" in fields.get("transfer-encoding", ""):
        return _chunks(data)
    length = fields.get("content-length", "")
    if not length.isdecimal():
        return data, b"", False
    return data[: int(length)], data[int(length) :], len(data) >= int(length)


def _chunks(data: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while match := re.match(rb"([0-9a-fA-F]{1,8})[^\r\n]*\r\n", data):
        size, data = int(match[1], 16), data[match.end() :]
        if size == 0:
            return body, data.partition(b"\r\n")[2], b"\r\n" in data
        body, data = body + data[:size], data[size + 2 :]
    return body, b"", False
