"""A TCP proxy of ours between a client and a real server: it delays, holds, cuts and black-holes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Self


class Proxy:
    """Forwards to ``host:port``.  ``hold()`` keeps replies back, ``release()`` lets them through, ``cut()`` ends connections."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = (host, port)
        self.connections = 0
        self.delay = 0.0  # seconds before each piece of a reply
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.context: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.release()
        self.cut()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def cut(self) -> None:
        for writer in self._writers:
            with contextlib.suppress(AttributeError):  # of a TLS transport that is closed, in older Pythons
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self._writers |= both
        try:
            await asyncio.gather(
                self._pump(reader, there_writer, back=False), self._pump(there_reader, writer, back=True)
            )
        finally:
            self._writers -= both
            for one in both:
                one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if back:
                    await asyncio.sleep(self.delay)
                    await self._open.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


class TlsProxy(Proxy):
    """Ends TLS in front of a server that has none."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, context: ssl.SSLContext) -> None:
        super().__init__(port, host)
        self.context = context
