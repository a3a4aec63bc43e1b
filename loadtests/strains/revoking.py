"""A thousand revocations a second, each written to the store by itself, beside hits."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from statistics import median
from typing import Final

from cores import pinned
from peers import bearerd
from place import Place, free_port

from bearerd._native.revocations import FOREVER, pack
from bearerd.config import load
from bearerd.store import client as store_client
from bearerd.store import embedded
from bearerd.store.protocol import Log
from strains.scene import ROUNDS, Fired, Row, Section, at_most, questions, used, window, worker_of

RATE: Final = 1_000
MOST: Final = 2_000_000
INTRO: Final = f"""{RATE:,} revocations a second of other tokens, one script each as a fleet's writers make them, straight into the store; the worker follows.
Windows with and without them take turns. Worker and store (Valkey, in memory: an fsync for each would bound the rate) share a core:
the store's own share is in the throughput, not in the worker's CPU."""


class Writer(threading.Thread):
    """Writes while it is let."""

    def __init__(self, place: Place) -> None:
        super().__init__(daemon=True)
        self._place = place
        self.writing = threading.Event()
        self.ending = threading.Event()
        self.written = 0
        self.fault: Exception | None = None

    def run(self) -> None:
        with pinned(self._place.cores.client):
            try:
                asyncio.run(self._write())
            except Exception as error:  # noqa: BLE001 - told by whoever waits for us
                self.fault = error

    async def _write(self) -> None:
        config = load.load(str(self._place.folder / "bearerd" / "bearerd.toml")).store
        client = store_client.connect(config)
        log = Log(client)
        async with client.borrow() as link:
            beat = await log.beat(link, None, "", 30.0, 1)
            position, latest, due = beat.position, beat.now, time.perf_counter()
            while not self.ending.is_set():
                if not self.writing.is_set() or due > time.perf_counter():
                    due = max(due, time.perf_counter() - 1.0) if self.writing.is_set() else time.perf_counter()
                    await asyncio.sleep(0.001)
                    continue
                key, now = hashlib.md5(b"revoked %d" % self.written).digest(), int(time.time())
                latest = max(latest + 1, time.time_ns() // 1000)
                wrote = await log.write(link, position, log.sealed(pack(key, FOREVER, now + 3600, latest)), MOST)
                position, latest = wrote.position, max(latest, wrote.latest_at)
                self.written += wrote.answer == "ok"
                due += 1 / RATE
        await client.close()


def section(place: Place) -> Section:
    """Windows in turns."""
    made, url = Section("Revocations all the time", INTRO), _store(place)
    service = bearerd.serve(place, store=f'url = "{url}"\nfleet = "strain"')
    worker, requests = worker_of(service.pid), questions(place, "hits", [place.token()])
    writer = Writer(place)
    writer.start()
    calm, busy = list[Fired](), list[Fired]()
    rates, idle = [], []
    window(place, service.port, worker, requests)
    for _ in range(ROUNDS):
        calm.append(window(place, service.port, worker, requests))
        writer.writing.set()
        before, start = writer.written, time.monotonic()
        busy.append(window(place, service.port, worker, requests))
        rates.append((writer.written - before) / (time.monotonic() - start))
        cpu, start = used(worker), time.monotonic()
        time.sleep(1.0)  # nobody asks: what following costs by itself
        idle.append((used(worker) - cpu) / (time.monotonic() - start))
        writer.writing.clear()
    writer.ending.set()
    writer.join()
    if writer.fault is not None:
        raise writer.fault
    made.wrong = sum(each.counted.all["wrong"] for each in calm + busy)
    without, beside = (median(each.each for each in some) for some in (calm, busy))
    # By the hits' own cost: the CPU for a hit would grow by as much as other programs leave fewer of them.
    follows = median(each.cpu / each.counted.seconds - each.rate * without / 1e6 for each in busy)
    slow, fast = (median(each.rate for each in some) for some in (busy, calm))
    made.rows = [
        Row("revocations a second that were written", f"{median(rates):,.0f}"),
        Row("… that the worker knows at the end", f"{_active(service, writer.written):,} of {writer.written:,}"),
        Row("a hit without them", f"{without:.2f} µs, {fast:,.0f}/s"),
        Row("a hit beside them", f"{beside:.2f} µs, {slow:,.0f}/s"),
        at_most("what following takes of the core, hits beside it", follows, 0.10, "{:.1%}"),
        Row("throughput that is left (store and worker on one core)", f"{slow / fast:.0%}"),
        Row("a worker that only follows, of a core", f"{median(idle):.1%}"),
    ]
    return made


def _active(service: bearerd.Service, written: int) -> int:
    """What the worker's gauge says once it has caught up, or after five seconds."""
    for _ in range(50):
        if (known := int(service.metric("bearerd_revocations_active"))) >= written:
            break
        time.sleep(0.1)
    return known


def _store(place: Place) -> str:
    """Start one that keeps nothing on disk; where it is."""
    port = free_port()
    command = [embedded.find_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    place.start("store", command, port)
    return f"redis://127.0.0.1:{port}"
