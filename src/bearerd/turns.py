"""Whose turn it is among those that ask for much: a crowd that comes at once does not have one turn of the loop to itself.

Each of them is a task, and the loop runs all that are ready before it looks at anything else: a thousand forms or handshakes
that arrive together would be one standstill of a thousand of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from bearerd._native import clock

SLICE: Final = 0.002  # seconds of a turn of the loop in which further ones may begin
LATE: Final = 1.0  # seconds after which a turn comes, whatever became of the one that was due
WOKEN: Final = 16  # of those that wait, in each turn: who finds the slice over waits on, at the front


class Turns:
    """Of one process, and for one kind of work: a crowd of one does not keep another waiting."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._first: deque[asyncio.Future[None]] = deque()  # before all of these
        self._again: list[asyncio.Future[None]] = []  # woken, and the slice was over: in the next turn before everybody
        self._woken = 0  # of those that the last turn woke: they have not asked again yet
        self._until: float | None = None  # boot time; None: nobody has begun in this turn of the loop
        self._due = False  # the next turn
        self._late: asyncio.TimerHandle | None = None  # the latest that it comes, where somebody waits for it

    async def turn(self, *, first: bool = False) -> None:
        """Go on at once, or, where others have had their slice of this turn of the loop, in one of the next.

        ``first``: before all who wait but other such.
        """
        later = self.begin(first=first)
        while later is not None:
            await later
            later = self.begin(woken=True)

    def begin(self, *, first: bool = False, woken: bool = False) -> asyncio.Future[None] | None:
        """None: go on at once.  Else what is done when to ask again, as one who was ``woken``."""
        if woken:
            self._woken = max(0, self._woken - 1)
        if not self._comes_after_others(first=first, woken=woken) and self._fits():
            return None
        waiter = asyncio.get_running_loop().create_future()
        queue = self._again if woken else self._first if first else self._waiting
        queue.append(waiter)
        self._schedule()
        return waiter

    def _comes_after_others(self, *, first: bool, woken: bool) -> bool:
        """Whoever is new would else take the slice of those that have waited, in each turn: bytes arrive before they are run."""
        if woken:
            return False
        return bool(self._woken or self._again or self._first or (self._waiting and not first))

    def _fits(self) -> bool:
        """Whoever is the first always does: else a busy lane would keep all of them waiting."""
        now = clock.boot()
        if self._until is None:
            self._until = now + SLICE
            self._schedule()
            return True
        return now < self._until

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        if self._late is None and (self._first or self._waiting or self._again):
            self._late = loop.call_later(LATE, self._turned)  # whatever becomes of the other
        if not self._due:
            loop.call_soon(self._turned)
            self._due = True

    def _turned(self) -> None:
        """Another turn of the loop.  It comes after those that the last one woke; whatever goes wrong in it, there is a next one."""
        try:
            self._until, self._woken = None, 0
            self._first.extendleft(reversed(self._again))
            self._again.clear()
            for _ in range(min(WOKEN, len(self._first) + len(self._waiting))):
                queue = self._first or self._waiting
                waiter = queue[0]  # it stays until it is woken
                if not waiter.done():  # else its client has gone
                    waiter.set_result(None)
                    self._woken += 1
                queue.popleft()
        finally:
            self._due = False
            late, self._late = self._late, None
            if late is not None:
                late.cancel()
            if self._first or self._waiting:
                self._schedule()
