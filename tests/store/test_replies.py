"""A store that answers without end is left, before it takes the memory; what may be long is let through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from support.fleet import worker
from support.valkey import Valkey

from bearerd.apikeys import vault
from bearerd.apikeys.pepper import Pepper
from bearerd.audit import heads
from bearerd.config import model
from bearerd.config.guard import Audit
from bearerd.errors import StoreError
from bearerd.limits import Limits
from bearerd.store import client as clients
from bearerd.store import reconcile, replies
from bearerd.store.server import Durability

ENDLESS = {
    "a bulk string": (b"$2000000000\r\n", b"x" * 65536, "more than 1048576 bytes"),
    "an array": (b"*1000000000\r\n", b":1\r\n" * 1000, "more than 1048576 bytes"),
    "an array that only begins": (b"*1000000000\r\n", b"", "more than 1048576 bytes"),
    "arrays in one another": (b"", b"*1\r\n" * 1000, "nesting depth"),
    "a status": (b"+", b"x" * 65536, "a line of more than 65536 bytes"),
    "an error": (b"-", b"x" * 65536, "a line of more than 65536 bytes"),
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\n", b"", "no reply as RESP2 has them"),
}


@contextlib.asynccontextmanager
async def store(begins: bytes, goes_on: bytes) -> AsyncIterator[tuple[clients.Client, list[int]]]:
    """A client of what answers so; and how many bytes each connection took."""
    sent: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(65536)
            writer.write(begins)
            sent.append(len(begins))
            while goes_on:
                writer.write(goes_on)
                await writer.drain()
                sent[-1] += len(goes_on)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = clients.connect(model.Store(url=f"redis://127.0.0.1:{port}"), timeout=60.0)
    try:
        yield client, sent
    finally:
        await client.close()
        server.close()


@pytest.mark.parametrize("what", ENDLESS)
async def test_a_reply_without_end_ends_its_connection(what: str) -> None:
    begins, goes_on, why = ENDLESS[what]
    async with store(begins, goes_on) as (client, sent):
        with pytest.raises(StoreError, match=why):
            await client.call("PING")
        assert sum(sent) < 32 << 20  # of which most stands in the sockets


async def test_a_link_on_which_too_much_came_is_used_no_more(shared_server: Valkey) -> None:
    client = clients.connect(model.Store(url=shared_server.url), timeout=60.0)
    try:
        link = await client.link()
        assert len(await link.call("ECHO", "x" * (replies.MOST - 100))) == replies.MOST - 100
        assert len(await link.call("ECHO", "x" * replies.MOST, most=2 * replies.MOST)) == replies.MOST
        with pytest.raises(StoreError, match="answered what it must not: a reply of more than 1048576 bytes"):
            await link.call("ECHO", "x" * replies.MOST)
        assert not link.usable
    finally:
        await client.close()


async def test_no_page_of_revocations_is_too_long(shared_server: Valkey, fleet: str) -> None:
    """A thousand members, each with its seal and a sequence as long as it may be."""
    async with worker(shared_server.url, fleet) as one:
        bucket = one.client.names.bucket("forever")
        link = await one.client.link()
        for number in range(reconcile._PAGE):
            await link.call("ZADD", f"other-{bucket}", 2**53 - number, number.to_bytes(48, "big"))
        page = await link.call("ZRANGEBYSCORE", f"other-{bucket}", "-inf", "+inf", "WITHSCORES")
        assert len(page) == 2 * reconcile._PAGE
        assert sum(map(len, page)) + 16 * len(page) < replies.MOST // 4


def most(name: str) -> int:
    """The most that a limit may be set to."""
    (found,) = (bound.le for bound in Limits.model_fields[name].metadata if hasattr(bound, "le"))
    assert isinstance(found, int)
    return found


def test_what_may_be_long_may_be_as_long_as_every_limit_at_its_most_allows() -> None:
    assert most("max_apikeys") * len(b"$12\r\n123456789012\r\n") < vault._MOST_IDS
    assert 2 * most("max_approval_bytes") < replies.MOST  # twice: all of it escaped
    arguments = next(bound.le for bound in Audit.model_fields["max_arguments"].metadata if hasattr(bound, "le"))
    assert heads._RECORDS * (arguments + 128 * 1024) < heads._MOST


@pytest.mark.parametrize("what", ["fsync", "replicas", "an API key"])
async def test_an_answer_of_another_shape_is_the_store_s_fault_and_no_value_error(what: str) -> None:
    """The admin API takes a ValueError for a request that makes no sense, and answers 400."""
    async with store(b"+OK\r\n" * 2 + b"*1\r\n$1\r\nx\r\n", b"") as (client, _):
        with pytest.raises(StoreError, match="in another shape than it must"):
            if what == "an API key":
                await vault.Vault(client, Pepper("test", b"p" * 32)).read(["0123456789ab"])
            else:
                level = Durability(fsync=True) if what == "fsync" else Durability(replicas=1)
                async with client.borrow() as link:
                    await level.reached(link, 1.0)
