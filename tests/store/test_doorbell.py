"""Who listens for rings, and when: on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from support.fleet import until

from bearerd.config import model
from bearerd.store import client as clients
from bearerd.store.doorbell import Doorbell
from bearerd.store.names import Names

if TYPE_CHECKING:
    from support.valkey import Valkey

NAMES = Names("test")


class Listener:
    """What a doorbell said."""

    def __init__(self, server: Valkey) -> None:
        self.server = server
        self.rung = 0
        self.client = clients.connect(model.Store(url=server.url, fleet="test"), timeout=5.0)
        self.bell = Doorbell(self.client, self._rung)

    def _rung(self) -> None:
        self.rung += 1

    def ring(self) -> None:
        self.server.call("XADD", NAMES.bell, "*", "log", "1")

    def listened(self) -> int:
        """How often the server was asked for rings."""
        found = re.search(rb"^cmdstat_xread:calls=(\d+)", self.server.call("INFO", "commandstats"), re.MULTILINE)
        return int(found[1]) if found else 0


@contextlib.asynccontextmanager
async def listening(server: Valkey) -> AsyncIterator[Listener]:
    made = Listener(server)
    running = asyncio.create_task(made.bell.run())
    try:
        await until(lambda: made.rung)
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.client.close()


async def test_who_rests_hears_each_ring(server: Valkey) -> None:
    async with listening(server) as made:
        with made.bell.needed():
            for _ in range(5):
                before = made.rung
                made.ring()
                await until(lambda before=before: made.rung > before)  # type: ignore[misc]


async def test_while_nobody_rests_the_server_is_not_asked(server: Valkey) -> None:
    async with listening(server) as made:
        before = made.listened()
        for _ in range(100):
            made.ring()
            await asyncio.sleep(0.001)
        assert made.listened() == before


async def test_what_was_rung_while_nobody_rested_is_heard_by_who_rests_next(server: Valkey) -> None:
    async with listening(server) as made:
        with made.bell.needed():
            made.ring()
            await until(lambda: made.rung >= 2)
        before = made.rung
        made.ring()
        with made.bell.needed():
            await until(lambda: made.rung > before)
