"""After an embedded store was started again: whether it still knows all leases, so that ``enforced`` need not wait for one."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest
from support.fleet import ISSUER, Worker, worker
from support.valkey import running

from bearerd.store.entries import Kind
from bearerd.store.names import Names
from bearerd.store.sync import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.valkey import Valkey

NAMES = Names("test")
LONG = Pace(lease=3600.0, heartbeat=0.1, round=0.15)  # no test lasts as long as a lease
UNKNOWN = "leases that this connection may not know of yet"


@pytest.fixture
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """As the embedded one: on the disk before it is acknowledged."""
    with running(tmp_path_factory.mktemp("valkey"), appendonly="yes", appendfsync="always") as server:
        yield server


async def again(server: Valkey, one: Worker) -> None:
    """It ends, and is started again."""
    server.kill()
    one.sync.store_moved()
    server.start()
    await one.sync.caught_up()


async def missing(one: Worker, seconds: float = 0.3) -> tuple[str, ...]:
    """What ``enforced`` waits for in vain."""
    one.writer._timeout = seconds
    return (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).missing


async def test_a_store_that_is_started_again_with_all_its_leases_is_waited_for_no_longer(durable: Valkey) -> None:
    async with worker(durable.url, pace=LONG) as one, worker(durable.url, pace=LONG) as other:
        for _ in range(2):
            await again(durable, one)
            other.sync.store_moved()
            assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"
            assert other.revoked("t")


async def test_a_lease_that_was_live_before_still_stands_in_the_way(durable: Valkey) -> None:
    async with worker(durable.url, pace=LONG) as one:
        durable.call("HSET", NAMES.leases, "ghost", f"{int(time.time() * 1000) + 3_600_000} 0")
        await again(durable, one)
        assert await missing(one) == ("ghost",)


async def test_one_that_lost_a_heartbeat_may_have_lost_a_lease(server: Valkey) -> None:
    async with worker(server.url, pace=LONG) as one:
        server.call("SAVE")
        await one.sync.caught_up()
        await again(server, one)
        assert UNKNOWN in await missing(one)


async def test_what_was_lost_before_it_ended_is_not_forgotten(durable: Valkey) -> None:
    async with worker(durable.url, pace=LONG) as one:
        durable.call("FLUSHALL")
        await one.sync.caught_up()
        await again(durable, one)
        assert UNKNOWN in await missing(one)


async def test_a_clock_that_was_set_meanwhile_may_have_ended_leases_early(durable: Valkey) -> None:
    async with worker(durable.url, pace=LONG) as one:
        durable.kill()
        one.sync.store_moved()
        assert one.sync._skew is not None
        low, high = one.sync._skew
        one.sync._skew = (low - 60, high - 60)
        durable.start()
        await one.sync.caught_up()
        assert UNKNOWN in await missing(one)


async def test_of_any_other_store_nobody_knows_what_it_kept(durable: Valkey) -> None:
    async with worker(durable.url, pace=LONG, ours=False) as one:
        one.sync._since = -math.inf
        durable.kill()
        durable.start()
        await one.sync.caught_up()
        assert UNKNOWN in await missing(one)


async def test_a_break_forgets_what_was_held_before(server: Valkey) -> None:
    async with worker(server.url, pace=LONG) as one:
        one.sync._held = -math.inf  # of the connection before: this one may end before a heartbeat counts
        server.call("FLUSHALL")
        await one.sync.caught_up()
        assert one.sync._held is None
