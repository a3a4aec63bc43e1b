"""Seeded storms: several workers, revocations, lifts and resets while the store is flushed, restored, killed and cut off.

Whatever happened, at the end everybody knows the same, and the last acknowledged word about each key stands.  The full
chaos run (histories, a checker, longer) is another suite; this one runs with every `make test`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from support.fleet import ISSUER, Worker, until, worker
from support.proxy import Proxy

from bearerd.errors import StoreError
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from support.valkey import Valkey

KEYS = [f"s{number}" for number in range(6)]


@dataclass
class Storm:
    """What was said about each key, in the order in which it was acknowledged; None: nobody can tell which."""

    rng: random.Random
    said: dict[str, bool | None] = field(default_factory=dict)

    async def say(self, who: Worker) -> None:
        key = self.rng.choice(KEYS)
        act = self.rng.choices(["revoke", "lift", "reset"], [6, 3, 1])[0]
        touched = KEYS if act == "reset" else [key]
        before = {name: self.said.get(name, False) for name in touched}
        revoked = act == "revoke"
        for name in touched:  # until it is acknowledged, and for good if it fails, either may hold
            self.said[name] = revoked if before[name] == revoked else None
        try:
            if act == "reset":
                await who.writer.reset(ack="stored")
            elif act == "lift":
                await who.writer.lift(Kind.SESSION, ISSUER, key, ack="stored")
            else:
                await who.writer.revoke(Kind.SESSION, ISSUER, key, ack="stored")
        except StoreError:
            return
        # Memory durability: an acknowledged word outlives a fault of the store once a live worker has it.
        await until(lambda: not who.sync.view.problem and who.revoked(key, Kind.SESSION) == revoked)
        for name in touched:
            self.said[name] = revoked

    async def fault(self, server: Valkey, proxies: list[Proxy]) -> None:
        what = self.rng.choice(["flush", "restart", "dump", "restore", "cut", "hold", "forget scripts"])
        if what == "flush":
            server.call("FLUSHALL")
        elif what == "dump":
            server.call("SAVE")
        elif what in ("restart", "restore"):
            server.kill()
            if what == "restart":
                (server.home / "dump.rdb").unlink(missing_ok=True)
            await asyncio.to_thread(server.start)
        elif what == "forget scripts":
            server.call("SCRIPT", "FLUSH")
        else:
            proxy = self.rng.choice(proxies)
            if what == "hold":
                proxy.hold()
                await asyncio.sleep(0.2)
                proxy.release()
            proxy.cut()


@pytest.mark.parametrize("seed", range(4))
async def test_after_a_storm_all_agree_and_the_last_word_stands(server: Valkey, seed: int) -> None:
    storm = Storm(random.Random(seed))
    async with contextlib.AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(Proxy(server.port)) for _ in range(3)]
        workers = [
            await stack.enter_async_context(worker(proxy.url, enforce_timeout=5.0, timeout=1.0)) for proxy in proxies
        ]
        for _ in range(25):
            if storm.rng.random() < 0.35:
                await storm.fault(server, proxies)
            await storm.say(storm.rng.choice(workers))
        await asyncio.gather(*(each.sync.caught_up() for each in workers))
        await asyncio.gather(
            *(each.sync.caught_up() for each in workers)
        )  # also what the others put back after the first
        fresh = await stack.enter_async_context(worker(server.url))
        for key in KEYS:
            verdicts = {each.revoked(key, Kind.SESSION) for each in [*workers, fresh]}
            assert len(verdicts) == 1, f"{key}: they disagree"
            expected = storm.said.get(key, False)
            assert expected is None or verdicts == {expected}, f"{key}: {verdicts} but {expected} was acknowledged"
        assert len({each.view.position for each in [*workers, fresh]}) == 1
