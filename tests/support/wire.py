"""HTTP/1.1 by hand: any bytes may be asked, and what comes back is read exactly."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def get(self, name: str) -> str | None:
        return self[name] if self.all(name) else None

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Self:
        return cls(*await asyncio.open_connection(host, port, ssl=tls))

    @classmethod
    async def to_unix(cls, path: str) -> Self:
        return cls(*await asyncio.open_unix_connection(path))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ask(
        self,
        target: str | bytes,
        *headers: tuple[str, str | bytes],
        method: str = "GET",
        body: bytes = b"",
        host: str | None = "bearerd.test",
    ) -> Reply:
        """Send a request as given, and read its answer."""
        await self.send(request(target, *headers, method=method, body=body, host=host))
        return await self.read(bodiless=method == "HEAD")

    async def read(self, *, bodiless: bool = False) -> Reply:
        """Read one response."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 30)
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        if status == 100:
            return await self.read(bodiless=bodiless)
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        body = b"" if bodiless else await asyncio.wait_for(self._reader.readexactly(length), 30)
        return Reply(status, headers, body)

    async def rest(self) -> bytes:
        """Whatever comes until the other end closes."""
        return await asyncio.wait_for(self._reader.read(), 30)

    async def close(self) -> None:
        self._writer.close()


def request(
    target: str | bytes,
    *headers: tuple[str, str | bytes],
    method: str = "GET",
    body: bytes = b"",
    host: str | None = "bearerd.test",
) -> bytes:
    """The bytes of a request."""
    raw = target if isinstance(target, bytes) else target.encode()
    lines = [method.encode() + b" " + raw + b" HTTP/1.1"]
    if host is not None:
        lines.append(b"Host: " + host.encode())
    for name, value in headers:
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
    if body or method in ("POST", "PUT"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", b""]) + body
