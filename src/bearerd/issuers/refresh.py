"""The slow loop beside the flow: every issuer's key set fresh, in memory, before a token needs it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bearerd.issuers.keeper import Keeper

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.abc import AbstractResolver

    from bearerd.issuers.registry import Issuer, Issuers
    from bearerd.issuers.shared import SharedKeySets
    from bearerd.store.seal import Seal

FOLLOW: Final = 0.5
"""Seconds between looks at what peers have published: a key that a peer saw removed stops verifying here, too, within a
second."""

_log = logging.getLogger("bearerd.issuers")


class Refresher:
    """Keeps the key sets of all issuers.  One broken issuer holds up no other.

    ``load`` before serving, ``run`` beside it; ``want`` whenever ``Issuer.select`` said Pending.
    """

    def __init__(
        self,
        issuers: Issuers,
        data_dir: Path | None = None,
        shared: SharedKeySets | None = None,
        resolver: AbstractResolver | None = None,
        *,
        seal: Seal | None = None,
    ) -> None:
        """``data_dir``: where keys are kept beside the store, sealed with ``seal``."""
        self._data_dir = data_dir
        self._seal = seal
        self._shared = shared
        self._resolver = resolver
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[Keeper, asyncio.Task[None]] = {}
        self.replace(issuers)

    async def load(self) -> None:
        """Last-known-good keys from the store and the disk, for every issuer; asks no issuer, and fails for none."""
        await asyncio.gather(*(keeper.load() for keeper in self._keepers.values()))

    async def run(self) -> None:
        """Refresh for ever; cancelling it stops everything under way.  It may be begun again after a fault."""
        for keeper in self._keepers.values():
            keeper.open()
        try:
            while True:
                self._match_tasks()
                await asyncio.gather(*(keeper.follow() for keeper in self._keepers.values() if keeper.remote))
                await asyncio.sleep(FOLLOW)
        finally:
            await self.close()

    async def want(self, issuer: str, kid: str | None) -> None:
        """Resolve ``Pending(Wait.KEY, issuer, kid)``: return when asking again makes sense.

        Never raises for what an issuer or the store does, and returns within a bounded time (some seconds).
        """
        keeper = self._keepers.get(issuer)
        if keeper is not None:
            await keeper.want(kid)

    def replace(self, issuers: Issuers) -> None:
        """Keep these from now on (a reload): those that stayed the same object are not disturbed."""
        before = self._keepers
        self._keepers = {issuer.iss: self._keeper(issuer, before.get(issuer.iss)) for issuer in issuers}
        for keeper in before.values():
            if self._keepers.get(keeper.issuer.iss) is not keeper:
                keeper.close()

    async def close(self) -> None:
        """Stop everything under way."""
        flights = [keeper.close() for keeper in self._keepers.values()]
        tasks = [*self._tasks.values(), *(flight for flight in flights if flight is not None)]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keeper(self, issuer: Issuer, old: Keeper | None) -> Keeper:
        if old is not None and old.issuer is issuer:
            return old
        return Keeper(issuer, self._data_dir, self._shared, self._resolver, self._seal)

    def _match_tasks(self) -> None:
        """One task for each keeper, none for those that are gone; one that a fault has ended is begun again."""
        wanted = set(self._keepers.values())
        for keeper in [keeper for keeper, task in self._tasks.items() if task.done()]:
            self._tell(keeper, self._tasks.pop(keeper))
        for keeper in set(self._tasks) - wanted:
            self._tasks.pop(keeper).cancel()
        for keeper in wanted - set(self._tasks):
            self._tasks[keeper] = asyncio.create_task(keeper.run())

    def _tell(self, keeper: Keeper, ended: asyncio.Task[None]) -> None:
        error = None if ended.cancelled() else ended.exception()
        if error is not None:
            _log.error("key_set_keeper_failed", extra={"issuer": keeper.issuer.name}, exc_info=error)
