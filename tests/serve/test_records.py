"""What is taken from a TLS client: as much as it likes of what brings something, and little of what does not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.certificates import authority
from support.tls13 import Client

from bearerd.serve import records as module
from bearerd.serve.records import Records

HERE = "127.0.0.1"
CUT_OFF = EOFError, ConnectionError


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@asynccontextmanager
async def listener(folder: Path) -> AsyncIterator[int]:
    context = authority().server(folder, HERE)
    context.sslobject_class = Records
    server = await asyncio.get_running_loop().create_server(Echo, HERE, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def heard(client: Client, size: int) -> bytes:
    found = b""
    async with asyncio.timeout(30):
        while len(found) < size:
            found += await client.read()
    return found


def test_keys_that_change_for_nothing_end_the_connection(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listener(tmp_path) as port:
            with closing(await Client.to(port)) as client:
                await client.send(client.data(b"hello"))
                assert await heard(client, 5) == b"hello"
                turns = [client.turn() for _ in range(2 * module.MOST_FRUITLESS)]
                await client.send(b"".join(turns) + client.data(b"late"))
                with pytest.raises(CUT_OFF):  # before its last words are heard
                    await heard(client, 4)

    uvloop.run(scene())


def test_those_that_come_with_a_handshake_are_counted_as_well(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listener(tmp_path) as port:
            with closing(await Client.to(port)) as client:
                turns = [client.turn() for _ in range(2 * module.MOST_FRUITLESS)]
                await client.send(b"".join(turns) + client.data(b"late"))
                with pytest.raises(CUT_OFF):
                    await heard(client, 1)

    uvloop.run(scene())


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_few_bytes_behind_each_change_do_not_make_up_for_it(tmp_path: Path, size: int) -> None:
    async def scene() -> None:
        async with listener(tmp_path) as port:
            with closing(await Client.to(port)) as client:
                many = 4 * module.MOST_FRUITLESS
                with pytest.raises(CUT_OFF):
                    await client.send(b"".join(client.turn() + client.data(bytes(size)) for _ in range(many)))
                    await heard(client, many * size)

    uvloop.run(scene())


def test_keys_may_change_as_often_as_much_comes_with_them(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listener(tmp_path) as port:
            with closing(await Client.to(port)) as client:
                for _ in range(4 * module.MOST_FRUITLESS):
                    await client.send(client.turn() + client.data(bytes(module.WORTH)))
                    assert len(await heard(client, module.WORTH)) == module.WORTH

    uvloop.run(scene())


@pytest.mark.parametrize("ciphers", ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384"])
async def test_each_byte_may_have_a_record_of_its_own_however_long_that_is(tmp_path: Path, ciphers: str) -> None:
    async with listener(tmp_path) as port:
        context = authority().client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        reader, writer = await asyncio.open_connection(HERE, port, ssl=context)
        for _ in range(2000):
            writer.write(b"x")
        assert await asyncio.wait_for(reader.readexactly(2000), 30) == 2000 * b"x"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [1, 100, 16 * 1024, 300_000])
async def test_records_of_every_size_are_read(tmp_path: Path, version: ssl.TLSVersion, size: int) -> None:
    """By asyncio's own loop, which reads in another way than uvloop's."""
    async with listener(tmp_path) as port:
        context = authority().client()
        context.minimum_version = context.maximum_version = version
        reader, writer = await asyncio.open_connection(HERE, port, ssl=context)
        said = bytes(range(256)) * (1 + 4 * size // 256)
        for at in range(0, len(said), size):
            writer.write(said[at : at + size])
        assert await asyncio.wait_for(reader.readexactly(len(said)), 30) == said
        writer.close()
        await writer.wait_closed()


def test_a_large_record_may_come_in_pieces(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listener(tmp_path) as port:
            with closing(await Client.to(port)) as client:
                for _ in range(5):
                    record = client.data(bytes(16 * 1024))
                    for at in range(0, len(record), 1000):
                        await client.send(record[at : at + 1000])
                        await asyncio.sleep(0.001)
                    assert len(await heard(client, 16 * 1024)) == 16 * 1024

    uvloop.run(scene())
