"""Single flight: however many requests wait for one key, one fetch is made, and a bounded number of them waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bearerd.errors import BearerdError
from bearerd.refusals import Code, Refusal
from bearerd.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.decision import Pending

RETRY_AFTER: Final = 1  # seconds, for those that find the waiting room full, or have no time to wait until the end

_LATE: Final = Refusal(
    Code.ISSUER_UNAVAILABLE, "the key did not come in time, and is still asked for", retry_after=RETRY_AFTER
)


class Flights:
    """The fetches under way in this worker, each with whoever waits for it.

    ``resolve(pending)`` does the work, such as a refresher's ``want(issuer, kid)``, and bounds its own time.  It runs
    in a task of its own, so that a client that hangs up cancels its wait and nobody else's.
    """

    def __init__(self, resolve: Callable[[Pending], Awaitable[object]], max_waiting: int) -> None:
        self._resolve = resolve
        self._max_waiting = max_waiting
        self._under_way: dict[Pending, asyncio.Task[Refusal | None]] = {}
        self._turns = Turns()  # of those whose wait is over: all who waited for one key are woken at once
        self.waiting = 0  # requests, in all

    async def wait(self, pending: Pending, patience: float | None = None) -> Refusal | None:
        """Wait until it makes sense to ask again: None then, or the refusal that the fault amounts to.

        ``overloaded`` at once where ``max_waiting`` requests wait already; ``issuer_unavailable`` after ``patience``
        seconds, with the fetch still under way for whoever asks next.
        """
        if self.waiting >= self._max_waiting:
            return Refusal(Code.OVERLOADED, "max_waiting requests wait for a key already", retry_after=RETRY_AFTER)
        flight = self._flight(pending)
        self.waiting += 1
        try:
            arrived, _ = await asyncio.wait({flight}, timeout=patience)
            refusal = flight.result() if arrived else _LATE
            await self._turns.turn()
            return refusal
        except asyncio.CancelledError:
            if flight.cancelled() and not _cancelled_itself():
                return Refusal(Code.OVERLOADED, "closing", retry_after=RETRY_AFTER)
            raise
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Cancel what is under way; whoever still waits is refused."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _flight(self, pending: Pending) -> asyncio.Task[Refusal | None]:
        """The task for this key, begun if need be."""
        task = self._under_way.get(pending)
        if task is None or task.done():  # its callback may be late, and must not be missed for ever
            task = asyncio.get_running_loop().create_task(self._run(pending), name=f"wait for {pending.kind}")
            self._under_way[pending] = task
            task.add_done_callback(lambda done: self._ended(pending, done))
        return task

    def _ended(self, pending: Pending, task: asyncio.Task[Refusal | None]) -> None:
        if self._under_way.get(pending) is task:
            del self._under_way[pending]

    async def _run(self, pending: Pending) -> Refusal | None:
        try:
            await self._resolve(pending)
        except BearerdError as fault:
            return fault.refusal
        return None


def _cancelled_itself() -> bool:
    """Whether it is this request that was cancelled, and not the flight that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
