"""Whose turn it is: requests that have to be verified wait until those that are known have been answered.

Each turn of the loop comes after everything that had arrived was read.  Where a known token was among that, others are likely
to have come since, and verification gets no more than its share of the time; where none was, nobody is held up by a slice.
So a flood of strangers takes what is left over and a tenth, and known tokens wait for a slice at the most.  Within that, no
issuer's tokens are checked twice before another's once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.decision import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd._native.connection import Connection
    from bearerd._native.lane import Lane
    from bearerd.decision import Pending
    from bearerd.verify.budget import Budget

SHARE: Final = 0.10  # of the time for verification while known tokens come
LONGEST: Final = 0.002  # seconds that may have been saved up of it
SLICE: Final = 0.001  # seconds of a turn while none come: for so long one that comes after all may wait
EACH: Final = 2  # signature checks of one issuer before the others have had theirs


class Turns:
    """Of one lane.  ``attempt(connection)`` decides, or says what it has to wait for; ``resolve`` waits for a key."""

    def __init__(
        self,
        lane: Lane,
        budget: Budget,
        most: int,
        attempt: Callable[[Connection], Pending | None],
        resolve: Callable[[Connection, Pending], asyncio.Task[None]],
    ) -> None:
        """``most``: requests that may wait, in all."""
        self._lane = lane
        self._budget = budget
        self._most = most
        self._attempt = attempt
        self._resolve = resolve
        self._fresh: deque[Connection] = deque()
        self._parked: dict[str, deque[Connection]] = {}  # by issuer: looked at once, and over its share
        self._flights = 0
        self._scheduled = False
        self._credit = 0.0  # seconds
        self._at = clock.boot()
        self._allowed = lane.allowed  # at the last turn
        self.several = False  # issuers

    @property
    def waiting(self) -> int:
        """How many requests wait, for their turn or for a key."""
        parked = sum(map(len, self._parked.values())) if self._parked else 0
        return len(self._fresh) + parked + self._flights

    def wait(self, connection: Connection) -> None:
        """Take a request in."""
        connection.waiter = self
        self._fresh.append(connection)
        self._tell()
        self._schedule()

    def revive(self) -> None:
        """From time to time: whatever became of the last turn, there is another."""
        if self._fresh or self._parked:
            self._scheduled = False
            self._schedule()

    def _landed(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """A key that was waited for has come, or has not, or nobody waits for it any more."""
        self._flights -= 1
        self._tell()
        if task.cancelled() or task.exception() is not None:
            connection.abort()

    def _tell(self) -> None:
        self._lane.full = self.waiting >= self._most

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Whatever goes wrong in it: there is a next one."""
        try:
            self._take()
        finally:
            self._scheduled = False
            self._tell()
            if self._fresh or self._parked:
                self._schedule()  # also where the share is used up: that no known tokens come any more is seen at once

    def _take(self) -> None:
        started = clock.boot()
        self._credit = min(LONGEST, self._credit + SHARE * (started - self._at))
        calm, self._at, self._allowed = self._lane.allowed == self._allowed, started, self._lane.allowed
        seconds = SLICE if calm else self._credit
        if seconds <= 0:
            return
        self._budget.begin(EACH if self.several else None)
        try:
            self._work(started + seconds)
        finally:
            self._budget.end()
        if not calm:  # what nobody else had use for is not taken from the share
            self._credit -= clock.boot() - started

    def _work(self, until: float) -> None:
        """Those that were parked are tried again in the order of their issuers, one each."""
        while self._fresh and clock.boot() < until:
            self._try(self._fresh)
        while self._parked and clock.boot() < until:
            for issuer in list(self._parked):
                if clock.boot() >= until:  # whoever was not tried stands before those who were
                    return
                queue = self._parked[issuer]
                self._budget.begin(1)
                if queue:
                    self._try(queue)
                del self._parked[issuer]
                if queue:  # behind the others now
                    self._parked[issuer] = queue

    def _try(self, queue: deque[Connection]) -> None:
        """The first of a queue.  Who meets a fault there is cut off, and nobody behind is."""
        connection = queue[0]
        try:
            pending = self._attempt(connection)
            if pending is not None:
                self._put_off(connection, pending)
        except BaseException:
            connection.abort()
            raise
        finally:
            queue.popleft()

    def _put_off(self, connection: Connection, pending: Pending) -> None:
        if pending.kind is Wait.TURN:
            self._parked.setdefault(pending.issuer, deque()).append(connection)
            return
        self._flights += 1
        connection.waiter = task = self._resolve(connection, pending)
        task.add_done_callback(lambda task: self._landed(connection, task))  # also of one that has never begun
