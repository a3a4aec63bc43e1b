"""Processes of a fleet, in one: each has its own view, client and loop over a real server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bearerd._native import clock
from bearerd.config import model
from bearerd.decision import Now
from bearerd.store import client as clients
from bearerd.store import entries
from bearerd.store.entries import Kind
from bearerd.store.revocations import Writer
from bearerd.store.sync import Pace, Sync, View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ISSUER = "https://auth.example.com"
QUICK = Pace(
    lease=8.0, heartbeat=0.1, round=0.15
)  # a worker without a lease joins soon, and keeps it on a slow machine


@dataclass
class Worker:
    """One process of a fleet."""

    view: View
    client: clients.Client
    sync: Sync
    writer: Writer
    delays: list[float] = field(default_factory=list)

    def revoked(
        self, value: str, kind: Kind = Kind.TOKEN, issued_at: float | None = None, issuer: str = ISSUER
    ) -> bool:
        """What this worker would decide about a token."""
        at = int(time.time() if issued_at is None else issued_at)
        return self.view.table.revoked(entries.key(kind, issuer, value), at, int(time.time())) >= 0

    def age(self) -> float:
        return self.view.age(Now(clock.wall(), clock.boot()))


async def until(claim: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait for a claim to become true; it is the assertion, the time only bounds a failure."""
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def worker(
    url: str,
    fleet: str = "test",
    *,
    most: int = 2_000,
    joined: bool = True,
    ours: bool = True,
    pace: Pace = QUICK,
    timeout: float = 5.0,
    enforce_timeout: float = 10.0,
    durability: Any = None,
    store: dict[str, Any] | None = None,
    before: Callable[[View], Awaitable[None]] | None = None,
    **options: Any,
) -> AsyncIterator[Worker]:
    """A running worker, by default one that has a lease.

    ``ours``: it trusts the store from the start, so that tests of other things need not wait for it to join.  ``before``
    is done with its view before it meets the store.
    """
    client = clients.connect(model.Store(url=url, fleet=fleet, **(store or {})), timeout=timeout)
    view = View(most)
    delays: list[float] = []
    sync = Sync(
        view,
        client,
        pace=pace,
        store_is_ours=ours,
        observe=delays.append,
        **options,
    )
    writer = Writer(sync, max_revocations=most, enforce_timeout=enforce_timeout, durability=durability)
    if before is not None:
        await before(view)
    task = asyncio.create_task(sync.run())
    try:
        if joined:
            async with asyncio.timeout(30):
                await sync.caught_up()
        yield Worker(view, client, sync, writer, delays)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
