"""One schedule for each seeded bug: with it the checker must find something, without it nothing.

Nothing is left to chance but the speed of the machine: where a schedule needs an order of events it waits for the first before it
does the second.  Waits that end by themselves only bound a failure.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from faults.checker import Violation, check
from faults.deeds import Deeds
from faults.history import Event, History
from faults.run import settle
from faults.world import NAMES, PATIENCE, Topology, World

from bearerd.store import script
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from faults.nursery import Nursery


SINGLE = Topology("single", nodes=2)
PAIR = Topology("pair", replica=True, nodes=2)
_HOUR = 3600


@dataclass(frozen=True)
class Directed:
    """A seeded bug, the properties of which the checker must find one violated, and the schedule."""

    mutant: str
    properties: frozenset[str]
    topology: Topology
    steps: Callable[[World, Deeds], Awaitable[None]]
    also: tuple[str, ...] = ()  # in the healthy run, too


SCHEDULES: dict[str, Directed] = {}


def schedule(topology: Topology, *properties: str, also: tuple[str, ...] = ()) -> Callable[..., Any]:
    """The schedule that shows the mutant of the same name."""

    def remember(steps: Callable[[World, Deeds], Awaitable[None]]) -> Any:
        name = steps.__name__
        SCHEDULES[name] = Directed(name, frozenset(properties), topology, steps, also)
        return steps

    return remember


async def execute(
    directed: Directed, *, mutated: bool, path: Path | None = None, nursery: Nursery | None = None
) -> tuple[list[Violation], list[Event]]:
    """Run a schedule with or without its seeded bug; what the checker finds, and the history."""
    history = History(path)
    mutants = (*directed.also, directed.mutant) if mutated else directed.also
    try:
        async with World(directed.topology, history, mutants, nursery=nursery) as world:
            await directed.steps(world, Deeds(world))
            history.note("heal", what="everything")
            await settle(world, list(world.tokens.values()))
    finally:
        history.close()
    return check(history.events), history.events


async def until(claim: Callable[[], Awaitable[Any]]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not await claim():
            await asyncio.sleep(0.01)


async def caught_up(world: World, *names: str) -> None:
    """Wait until these workers (all) have had a heartbeat that counts."""
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(world.nodes[name].call("caught_up") for name in names or world.nodes))


# ---- the schedules


@schedule(SINGLE, "P4", "P2b")
async def position_without_head(world: World, deeds: Deeds) -> None:
    """An old dump grows beyond where a worker was that has been away: its sequence is there, its history is not."""
    tokens = [world.token(number) for number in range(8)]
    for token in tokens[:2]:
        await world.revoke("a", token)
    await deeds.dump()
    for token in tokens[2:4]:
        await world.revoke("a", token)
    await caught_up(world)
    await world.nodes["b"].kill()  # it knows the same; only the one that is away must
    world.gates["a"].black_hole()
    await deeds.restore(0, 0.0)
    await world.nodes["b"].start()
    await caught_up(world, "b")
    for token in tokens[4:]:
        await world.revoke("b", token, ack="stored")
    world.gates["a"].heal()
    await caught_up(world, "a")
    for token in tokens:
        await world.ask("a", token)


@schedule(replace(SINGLE, nodes=1), "P4", also=("small_pages",))
async def rank_paging(world: World, deeds: Deeds) -> None:
    """What has expired is swept while a new worker is between two pages."""
    if time.time() % _HOUR > _HOUR - 20:
        await asyncio.sleep(21)  # all must be of one bucket, and live to be asked about
    end = (time.time() // _HOUR + 1) * _HOUR - 1
    for number in range(8):
        await world.revoke("a", world.token(number), ack="stored", until=time.time() - 5)
    lasting = [world.token(number) for number in range(8, 24)]
    for token in lasting:
        await world.revoke("a", token, ack="stored", until=end)
    node = asyncio.create_task(world.add_node("b"))
    while "b" not in world.gates:
        await asyncio.sleep(0)
    second = world.gates["b"].hold_at(b"WITHSCORES", 2)
    await second.wait()
    (bucket,) = await world.on(world.primary, "ZRANGE", NAMES.buckets, 0, -1)
    await world.on(world.primary, "ZREMRANGEBYRANK", NAMES.bucket(bucket.decode()), 0, 7)
    world.gates["b"].heal()
    await node
    await caught_up(world, "b")
    for token in lasting:
        await world.ask("b", token)


@schedule(replace(SINGLE, lease=6.0, timeout=4.0), "P4")
async def lease_from_receive_time(world: World, deeds: Deeds) -> None:
    """A reply is long under way, and a revocation is written meanwhile."""
    token = world.token(1)
    lease, gate = world.nodes["b"].lease, world.gates["b"]

    async def beats() -> bool:
        """The reply to a heartbeat is held; or one was held already when we looked, and there is no next."""
        gate.hold()
        before = await world.on(world.primary, "HGET", NAMES.leases, lease)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if await world.on(world.primary, "HGET", NAMES.leases, lease) != before:
                return True
        gate.release()
        return False

    await until(beats)
    await world.revoke("a", token, ack="stored")
    await asyncio.sleep(0.3)
    gate.hold_requests()
    gate.release()
    for _ in range(20):
        await world.ask("b", token)
        await asyncio.sleep(0.01)
    gate.heal()


@schedule(replace(PAIR, lease=3.0), "P4")
async def no_wait_on_a_heartbeat(world: World, deeds: Deeds) -> None:
    """The replica takes over; one worker stays with the old primary, which knows nothing of it."""
    token = world.token(1)
    splitting = asyncio.create_task(deeds.split(lag=0.0, seconds=3.0, left=("a",)))
    while world.primary is world.servers[0]:
        await asyncio.sleep(0.01)
    await until(lambda: _stored(world, "b", token))
    while not splitting.done():
        await world.ask("a", token)
        await asyncio.sleep(0.05)
    await splitting


async def _stored(world: World, node: str, token: Any) -> bool:
    return (await world.revoke(node, token, ack="stored"))["e"] == "done"


@schedule(replace(SINGLE, lease=8.0, enforce_timeout=1.0), "P1")
async def enforced_after_lost_leases(world: World, deeds: Deeds) -> None:
    """The store loses the lease of a worker that it cannot reach."""
    token = world.token(1)
    await caught_up(world)
    world.gates["b"].black_hole()
    await deeds.flush()
    await caught_up(world, "a")
    await world.revoke("a", token)
    await world.ask("b", token)
    world.gates["b"].heal()


@schedule(replace(SINGLE, nodes=1), "P2b", "P6")
async def put_back_forgotten(world: World, deeds: Deeds) -> None:
    """The connection breaks in the middle of putting back."""
    tokens = [world.token(number) for number in range(4)]
    for token in tokens[:2]:
        await world.revoke("a", token)
    await deeds.dump()
    for token in tokens[2:]:
        await world.revoke("a", token)
    cut = world.gates["a"].cut_at(script.PUTBACK.sha.encode())
    await deeds.restore(0, 0.0)
    await cut.wait()
    await caught_up(world, "a")


@schedule(SINGLE, "P3")
async def put_back_over_a_lift(world: World, deeds: Deeds) -> None:
    """The store is flushed, and one that knows nothing lifts what another, away, knows to be revoked."""
    tokens = [world.token(number * 10) for number in range(6)]
    for token in tokens:
        await world.revoke("a", token, Kind.SESSION)
    await world.nodes["b"].kill()
    world.gates["a"].black_hole()
    await deeds.flush()
    await world.nodes["b"].start()
    await caught_up(world, "b")
    await world.lift("b", tokens[-1], Kind.SESSION, ack="stored")
    world.gates["a"].heal()
    await caught_up(world)


@schedule(replace(SINGLE, lease=8.0, timeout=4.0), "P1-after-loss")
async def trusts_an_empty_store(world: World, deeds: Deeds) -> None:
    """A new worker meets a flushed store moments before the one that knows better."""
    token = world.token(1)
    await world.revoke("a", token)
    await world.nodes["b"].kill()
    world.gates["a"].black_hole()
    await deeds.flush()
    await world.nodes["b"].start()

    async def read() -> bool:
        return (await world.nodes["b"].call("export"))["position"] is not None

    await until(read)
    await world.ask("b", token)
    await asyncio.sleep(0.2)
    await world.ask("b", token)
    world.gates["a"].heal()


@schedule(replace(PAIR, durability="replicas=1", nodes=1, enforce_timeout=0.5), "P2")
async def wait_on_another_connection(world: World, deeds: Deeds) -> None:
    """A write that no replica has is acknowledged as if one had; then the replica takes over."""
    assert world.replication is not None
    token = world.token(1)
    world.replication.black_hole()
    await world.revoke("a", token, ack="stored")
    await world.nodes["a"].kill()
    await deeds.failover(lag=0.0, seconds=0.1)
    await world.nodes["a"].start()
