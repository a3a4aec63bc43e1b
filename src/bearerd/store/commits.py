"""The writes of one process: one after another, sharing their waits for durability.

WAIT and WAITAOF answer for the writes made before them *on the same connection*, and hold that connection up.  So a write joins
the group that is open; the group's connection stops taking writes when its turn to wait comes, and one wait answers for all.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, TypeVar

from bearerd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.store.client import Client, Link
    from bearerd.store.server import Durability

T = TypeVar("T")
_WAITING: Final = 4  # groups that wait at the same time; the next one stays open and grows


class _Group:
    """Writes on one link, and the level that all of them got."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.durable: asyncio.Task[str]


class Commits:
    """One a process."""

    def __init__(self, client: Client, durability: Durability, seconds: float) -> None:
        """``seconds``: how long a write may wait for its turn, and how long for its durability."""
        self._client = client
        self._durability = durability
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._waiting = asyncio.Semaphore(_WAITING)
        self._open: _Group | None = None

    async def write(self, append: Callable[[Link], Awaitable[T]]) -> tuple[T, asyncio.Task[str]]:
        """Run ``append`` on the open group's link, alone; returns its result and the task that tells the level reached.

        Raises StoreError; so may the task, which is shared: shield it.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreError("the store is too slow: other writes are still under way") from None
        try:
            group = await self._group()
            return await append(group.link), group.durable
        finally:
            self._turn.release()

    async def _group(self) -> _Group:
        if self._open is None or not self._open.link.usable:
            stack = contextlib.AsyncExitStack()
            group = _Group(await stack.enter_async_context(self._client.borrow()))
            group.durable = asyncio.create_task(self._commit(group, stack))
            group.durable.add_done_callback(
                lambda task: task.cancelled() or task.exception()
            )  # its writers may be gone
            self._open = group
        return self._open

    async def _commit(self, group: _Group, stack: contextlib.AsyncExitStack) -> str:
        async with stack, self._waiting:
            async with self._turn:  # queued behind those who are about to write: they are of the group
                if self._open is group:
                    self._open = None
            return await self._durability.reached(group.link, self._seconds)
