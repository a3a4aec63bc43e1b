"""Seeded bugs: each is one of the protocol's parts taken away, put into a worker by name (``faults.node``).

They are what docs/protocol_model.py knows as known-bad, in the code that is shipped.  One is not here yet: a snapshot on disk
that undercuts ``enforced`` needs snapshots on disk.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
from typing import TYPE_CHECKING, Any

from bearerd._native import clock
from bearerd.store import reconcile, script
from bearerd.store.protocol import Log
from bearerd.store.server import Durability
from bearerd.store.sync import Sync
from bearerd.store.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

MUTANTS: dict[str, Callable[[], None]] = {}


def apply(name: str) -> None:
    """Put one bug into this process."""
    MUTANTS[name]()


def mutant(function: Callable[[], None]) -> Callable[[], None]:
    """A seeded bug, known by the function's name."""
    MUTANTS[function.__name__] = function
    return function


def rewrite(scripts: tuple[script.Script, ...], old: str, new: str) -> None:
    """Change the text of scripts."""
    for one in scripts:
        assert old in one.text, f"{one.name}.lua has changed: the mutant no longer fits"
        one.text = one.text.replace(old, new)
        one.sha = hashlib.sha1(one.text.encode(), usedforsecurity=False).hexdigest()


@mutant
def position_without_head() -> None:
    """A position is known when the store has come as far: which history brought it there is not asked."""
    rewrite(
        (script.BEAT, script.WRITE, script.ENFORCED),
        "if sequence == state.sequence then return head == state.head end",
        "if sequence <= state.sequence then return true end",
    )


@mutant
def rank_paging() -> None:
    """Pages by rank: what is swept between two pages moves the ranks of all that follow."""

    async def pages(link: Any, log: Log, view: View, after: int, also: Any) -> None:
        for bucket in await log.buckets(link):
            start = 0
            while True:
                key, stop = log.names.bucket(bucket), start + reconcile._PAGE - 1
                reply = await link.call("ZRANGE", key, start, stop, "WITHSCORES")
                members = [member for member, score in zip(reply[::2], reply[1::2], strict=True) if int(score) > after]
                await view.apply(log.opened(members)[0], also=also)
                if len(reply) < 2 * reconcile._PAGE:
                    break
                start += reconcile._PAGE

    reconcile._pages = pages


@mutant
def small_pages() -> None:
    """No bug: pages so small that a few entries need several."""
    reconcile._PAGE = 4  # type: ignore[misc]


@mutant
def lease_from_receive_time() -> None:
    """A heartbeat counts from when its reply came."""
    count = View.count
    View.count = lambda self, sent: count(self, clock.boot())  # type: ignore[method-assign]


@mutant
def no_wait_on_a_heartbeat() -> None:
    """A heartbeat counts although no replica has it; ``enforced`` still asks."""
    loops: set[int] = set()
    run, confirmed = Sync.run, Sync._confirmed

    async def marked(self: Sync) -> None:
        task = asyncio.current_task()
        loops.add(id(task))
        await run(self)

    async def sure(self: Sync, link: Any, seconds: float) -> int:
        return 1 if id(asyncio.current_task()) in loops else await confirmed(self, link, seconds)

    Sync.run, Sync._confirmed = marked, sure  # type: ignore[method-assign]


@mutant
def enforced_after_lost_leases() -> None:
    """``enforced`` as soon as the leases that the store knows agree: those that it has lost may still run."""
    enforced = Sync.enforced

    async def trusting(self: Sync, member: bytes, seconds: float) -> Any:
        self._since = -math.inf
        return await enforced(self, member, seconds)

    Sync.enforced = trusting  # type: ignore[method-assign]


@mutant
def put_back_forgotten() -> None:
    """The position is taken over before what the store lacks is back: a put-back that breaks off is never taken up again."""
    everything = reconcile.everything

    async def adopting(link: Any, log: Log, view: View, now: float) -> list[bytes]:
        beat = await log.beat(link, None, "", 0.0, 1)
        lacking = await everything(link, log, view, now)
        view.position = beat.position
        return lacking

    reconcile.everything = adopting


@mutant
def put_back_over_a_lift() -> None:
    """What is put back counts from when it is put back: later than a lift with a lower sequence, whenever that was made."""

    async def everything(link: Any, log: Log, view: View, now: float) -> list[bytes]:
        mine = view.table.export(int(clock.wall()))
        store = {member for name in await log.buckets(link) for _, member in await log.page(link, name, 0, 100_000)}
        await view.apply(log.opened(store)[0])
        at = int(now * 1e6).to_bytes(8, "big")
        lacking = [entry[:24] + at for entry in reconcile._entries(mine) if entry not in store]
        return [b"".join(lacking)] if lacking else []

    reconcile.everything = everything


@mutant
def trusts_an_empty_store() -> None:
    """A worker without a lease takes one at once, before the others had a round to put back what the store lost."""
    Sync._lapsed = lambda self: False  # type: ignore[method-assign]


@mutant
def wait_on_another_connection() -> None:
    """The durability of a write is asked for on some connection of the pool."""
    reached = Durability.reached

    @functools.wraps(reached)
    async def elsewhere(self: Durability, link: Any, seconds: float) -> str:
        other = await clients[-1].link()
        try:
            return await reached(self, other, seconds)
        finally:
            await other.close()

    clients: list[Any] = []
    made = Sync.__init__

    def remember(self: Sync, view: View, client: Any, **options: Any) -> None:
        clients.append(client)
        made(self, view, client, **options)

    Durability.reached = elsewhere  # type: ignore[method-assign]
    Sync.__init__ = remember  # type: ignore[method-assign]
