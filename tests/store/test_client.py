from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.fleet import until
from support.proxy import Proxy
from support.valkey import Valkey

import bearerd
from bearerd.config import model
from bearerd.errors import ConfigError, StoreError, StoreRight
from bearerd.store import client as clients
from bearerd.store import server as servers
from bearerd.store.script import PUBLISH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@contextlib.asynccontextmanager
async def connected(url: str, timeout: float = 5.0, **store: object) -> AsyncIterator[clients.Client]:
    client = clients.connect(model.Store(url=url, **store), timeout=timeout)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


async def test_commands_go_over_tcp_and_unix_sockets(shared_server: Valkey) -> None:
    for url in (shared_server.url, shared_server.unix_url):
        async with connected(url) as client:
            assert await client.call("PING") == b"PONG"


async def test_a_connection_is_used_again(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        for _ in range(5):
            await client.call("PING")
        assert proxy.connections == 1


async def test_a_connection_says_whose_it_is_and_looks_no_package_up_for_that(
    shared_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_up(name: str) -> str:
        raise AssertionError(f"the metadata of {name} were read")

    monkeypatch.setattr(importlib.metadata, "version", looked_up)
    async with connected(shared_server.url) as client:
        told = await client.call("CLIENT", "INFO")
    assert f"lib-name=bearerd lib-ver={bearerd.__version__}".encode() in told


async def test_a_script_that_the_server_forgot_is_sent_again(server: Valkey, fleet: str) -> None:
    async with connected(server.url) as client:
        keys = (client.names.key_set("i"),)
        args = (b"{}", b"", b"", b"1", b"2", b"", 1000)
        assert await client.run(PUBLISH, keys, args) == 1
        server.call("SCRIPT", "FLUSH")
        assert await client.run(PUBLISH, keys, args) == 1
        assert b"evalsha:calls=" in server.call("INFO", "commandstats")


async def test_an_error_of_the_server_leaves_the_connection_in_step(shared_server: Valkey) -> None:
    async with connected(shared_server.url) as client:
        link = await client.link()
        with pytest.raises(StoreError, match="unknown command"):
            await link.call("NONSENSE")
        assert await link.call("ECHO", "still here") == b"still here"


async def test_a_cancelled_command_never_leaves_its_reply_to_the_next_one(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        link = await client.link()
        proxy.hold()
        first = asyncio.create_task(link.call("ECHO", "first"))
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert link.busy
        second = asyncio.create_task(link.call("ECHO", "second"))
        proxy.release()
        assert await second == b"second"


async def test_a_storm_of_cancellations_never_mixes_replies(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        proxy.delay = 0.001

        async def echo(number: int) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((number % 7) * 0.002):
                    assert await client.call("ECHO", f"n{number}") == f"n{number}".encode()

        for batch in range(10):
            await asyncio.gather(*(echo(batch * 20 + number) for number in range(20)))
        assert await client.call("ECHO", "last") == b"last"


async def test_a_borrowed_connection_with_a_command_under_way_is_not_handed_on(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        await client.call("PING")
        proxy.hold()
        waiting = asyncio.create_task(client.call("ECHO", "abandoned"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        proxy.release()
        assert await client.call("ECHO", "next") == b"next"
        assert proxy.connections == 2


async def test_a_store_that_hangs_counts_as_gone_and_its_connection_is_not_used_again(server: Valkey) -> None:
    async with connected(server.url, timeout=0.2) as client:
        link = await client.link()
        server.pause()
        try:
            with pytest.raises(StoreError, match="no answer within"):
                await link.call("PING")
        finally:
            server.resume()
        assert not link.usable
        with pytest.raises(StoreError, match="closed"):
            await link.call("PING")


async def test_a_restarted_server_is_met_on_a_new_connection(server: Valkey) -> None:
    async with connected(server.url) as client:
        await client.call("PING")
        server.kill()
        with pytest.raises(StoreError, match="unreachable"):
            await client.call("PING")
        server.start()
        assert await client.call("PING") == b"PONG"


async def test_a_cut_connection_is_a_store_error(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        link = await client.link()
        proxy.hold()
        call = asyncio.create_task(link.call("PING"))
        await asyncio.sleep(0.05)
        proxy.cut()
        with pytest.raises(StoreError, match="unreachable"):
            await call


async def test_closing_a_link_fails_what_is_under_way_on_it(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        link = await client.link()
        proxy.hold()
        call = asyncio.create_task(link.call("PING"))
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(StoreError, match="closed"):
            await call


async def test_a_refused_login_names_no_password(server: Valkey) -> None:
    server.call("CONFIG", "SET", "requirepass", "the-right-one")
    async with connected(f"redis://:wrong-secret@127.0.0.1:{server.port}") as client:
        with pytest.raises(StoreError) as caught:
            await client.call("PING")
    assert "wrong-secret" not in str(caught.value)
    assert "store.url_file" in str(caught.value)
    async with connected(f"redis://:the-right-one@127.0.0.1:{server.port}") as client:
        assert await client.call("PING") == b"PONG"


async def test_a_server_that_quotes_the_login_in_its_error_is_not_repeated(tmp_path: Path) -> None:
    with contextlib.closing(Valkey(tmp_path).start("--rename-command", "AUTH", "NOTHING")) as server:
        with pytest.raises(RuntimeError, match="the-secret"):
            server.call("AUTH", "me", "the-secret")
        async with connected(f"redis://me:the-secret@127.0.0.1:{server.port}") as client:
            with pytest.raises(StoreError, match="refused the login") as caught:
                await client.call("PING")
    assert "the-secret" not in str(caught.value)


async def test_a_user_without_a_right_is_told_which(server: Valkey) -> None:
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+ping", "+client|setinfo")
    async with connected(f"redis://poor:pw@127.0.0.1:{server.port}") as client:
        with pytest.raises(StoreError, match=r"lacks a right.*xread.*docs/store\.md"):
            await client.call("XREAD", "STREAMS", "k", "0")


async def test_a_user_without_a_right_that_a_script_needs_is_told_which(server: Valkey) -> None:
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+@all", "-zadd")
    async with connected(f"redis://poor:pw@127.0.0.1:{server.port}") as client:
        with pytest.raises(StoreRight, match=r"lacks a right.*zadd.*docs/store\.md"):
            await client.call("EVAL", "return redis.call('ZADD', KEYS[1], 1, 'a')", 1, "k")


async def test_a_server_out_of_memory_is_named(server: Valkey) -> None:
    server.call("CONFIG", "SET", "maxmemory", "1")
    async with connected(server.url) as client:
        with pytest.raises(StoreError, match="out of memory"):
            await client.call("SET", "k", "v")


async def test_a_replica_is_not_the_server_to_write_to(server: Valkey) -> None:
    async with connected(server.url) as client:
        link = await client.link()
        server.call("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreError, match="not the server to write to"):
            await link.call("SET", "k", "v")
        assert not link.usable


async def test_a_store_that_takes_connections_and_says_nothing_is_told_of_in_whole_words(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url, timeout=0.2) as client:
        proxy.hold()
        with pytest.raises(StoreError, match=r"unreachable: TimeoutError$"):
            await client.link()


async def test_an_unreachable_store_is_a_store_error() -> None:
    async with connected("redis://127.0.0.1:1") as client:
        with pytest.raises(StoreError, match="unreachable"):
            await client.call("PING")


def test_a_store_without_any_url_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        clients.connect(model.Store())


def test_an_embedded_stores_url_stands_in() -> None:
    assert clients.connect(model.Store(), url="unix:///s").where.options["path"] == "/s"


@pytest.mark.parametrize(("staleness", "timeout"), [(1.0, 0.5), (10.0, 1.0), (30.0, 2.0)])
def test_the_time_out_follows_the_staleness(staleness: float, timeout: float) -> None:
    assert clients.connect(model.Store(url="redis://h", max_staleness=staleness)).timeout == timeout


def test_a_short_or_missing_fleet_key_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "key"
    short.write_bytes(b"tooshort\n")
    for path, wrong in ((short, "holds 8 bytes"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ConfigError, match=wrong):
            clients.connect(model.Store(url="redis://h", fleet_key_file=path))


async def test_the_server_tells_what_it_is(shared_server: Valkey) -> None:
    async with connected(shared_server.url) as client:
        level, warning, facts = await servers.check(client, None)
    assert (level.name, warning) == ("fsync", None)
    assert (facts.role, facts.policy, facts.aof, facts.waitaof) == ("master", "noeviction", True, True)
    assert facts.name.startswith(("Valkey", "Redis"))
    assert len(facts.run_id) == 40


async def test_without_an_append_only_file_the_default_is_memory_with_a_warning(server: Valkey) -> None:
    async with connected(server.url) as client:
        level, warning, _ = await servers.check(client, None)
        assert level.name == "memory"
        assert warning is not None
        assert "append-only" in warning
        with pytest.raises(ConfigError, match="fsync"):
            await servers.check(client, "fsync")
        assert (await servers.check(client, "memory"))[:2] == (servers.Durability(), None)
        assert (await servers.check(client, "replicas=2"))[0].name == "replicas=2"


@pytest.mark.parametrize("text", ["disk", "replicas=0", "replicas=", "FSYNC", "replicas=100"])
async def test_an_unknown_durability_is_refused(shared_server: Valkey, text: str) -> None:
    async with connected(shared_server.url) as client:
        with pytest.raises(ConfigError, match="durability"):
            await servers.check(client, text)


async def test_a_server_that_evicts_is_refused_with_the_remedy(server: Valkey) -> None:
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with connected(server.url) as client:
        with pytest.raises(ConfigError, match=r"allkeys-lru.*noeviction"):
            await servers.check(client, None)
        with pytest.raises(StoreError, match="allkeys-lru"):
            await servers.admit(await client.link())


async def test_a_replica_is_refused_at_start(server: Valkey) -> None:
    server.call("REPLICAOF", "127.0.0.1", "1")
    async with connected(server.url) as client:
        with pytest.raises(ConfigError, match="takes no writes"):
            await servers.check(client, None)


def test_an_old_server_lacks_waitaof_by_command_not_by_version() -> None:
    facts = servers.Facts("master", 0, "noeviction", aof=True, waitaof=False, run_id="", name="Redis 7.0")
    level, warning = servers.level(None, facts)
    assert level.name == "memory"
    assert warning is not None
    assert "has no WAITAOF" in warning


async def test_a_server_that_stopped_to_write_its_file_gives_less_than_fsync_and_says_so(server: Valkey) -> None:
    """After a fail-over: what the successor writes was not asked again."""
    async with connected(server.url) as client, client.borrow() as link:
        await link.call("SET", "k", "v")
        assert await servers.Durability(fsync=True).reached(link, 0.05) == "memory"
        assert link.usable


async def test_durability_names_the_level_that_was_got(shared_server: Valkey, server: Valkey) -> None:
    async with connected(shared_server.url) as client, client.borrow() as link:
        await link.call("SET", "k", "v")
        assert await servers.Durability(fsync=True).reached(link, 2.0) == "fsync"
    async with connected(server.url) as client, client.borrow() as link:
        await link.call("SET", "k", "v")
        assert await servers.Durability(replicas=1).reached(link, 0.05) == "memory"
        assert await servers.Durability().reached(link, 0.05) == "memory"


class Turns:
    """A loop as under full load: every turn takes longer than the store does.  Counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self.count += 1
        time.sleep(0.02)
        self._next = self._loop.call_soon(self._turn)

    async def least(self, ask: Callable[[], Awaitable[object]]) -> int:
        """The turns that asking takes, when the store is quick."""
        taken = []
        for _ in range(20):
            before = self.count
            await ask()
            taken.append(self.count - before)
        return min(taken)

    def stop(self) -> None:
        self._next.cancel()


async def test_to_the_owner_of_a_connection_an_exchange_costs_a_busy_loop_no_turn_but_the_store_s(
    shared_server: Valkey,
) -> None:
    """By such connections revocations arrive: a task between would be four turns, each of which may take milliseconds."""
    async with connected(shared_server.url) as client:
        link = await client.link()
        turns = Turns()
        try:
            own = await turns.least(lambda: link.call("PING"))
            others = await turns.least(lambda: asyncio.create_task(link.call("PING")))
        finally:
            turns.stop()
    assert own <= 3 < others  # the turn that runs when asked, the store's own, and that in which the answer is read


async def test_an_owner_that_is_cancelled_takes_its_connection_along(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        links: list[clients.Link] = []

        async def own() -> None:
            links.append(await client.link())
            proxy.hold()
            await links[0].call("ECHO", "first")

        owner = asyncio.create_task(own())
        await until(lambda: bool(links))
        await asyncio.sleep(0.05)
        owner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await owner
        proxy.release()
        with pytest.raises(StoreError, match="closed"):
            await links[0].call("ECHO", "second")


async def test_closing_a_link_fails_what_its_owner_has_under_way(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy, connected(proxy.url) as client:
        links: list[clients.Link] = []

        async def own() -> None:
            links.append(await client.link())
            proxy.hold()
            await links[0].call("PING")

        owner = asyncio.create_task(own())
        await until(lambda: bool(links))
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(StoreError, match="closed"):
            await owner
