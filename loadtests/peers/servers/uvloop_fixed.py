"""uvloop and a protocol that answers 204 at the end of every head: the least that an HTTP server in Python can do."""

from __future__ import annotations

import asyncio
import sys

import uvloop

ANSWER = b"HTTP/1.1 204 No Content\r\nServer: uvloop\r\n\r\n"


class Fixed(asyncio.Protocol):
    """Counts heads and answers them."""

    transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport, self.half = transport, b""  # type: ignore[assignment]  # uvloop's has no base class

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        data = self.half + data
        whole = data.count(b"\r\n\r\n")
        self.half = data[data.rfind(b"\r\n\r\n") + 4 :] if whole else data
        if whole:
            self.transport.write(ANSWER * whole)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Fixed, "127.0.0.1", port)
    await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
