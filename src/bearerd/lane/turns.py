"""Whose turn it is: requests that have to be verified wait until those that are known have been answered.

Each turn of the loop comes after everything that had arrived was read.  Where a known token was among that, others are likely
to have come since, and verification gets no more than its share of the time; where none was, it gets a slice: hardly more than
one signature, for the next known token may be on its way.  So a flood of strangers takes what is left over and a tenth, and
known tokens wait for a slice at the most.

A round takes as many turns as it needs: all who had come when it began are looked at, and of each issuer a few are verified;
then one of each issuer's that were put off.  So no issuer's flood holds up another's token.
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
SLICE: Final = 0.0001  # seconds of a turn while none come: what is begun within them is ended
EACH: Final = 2  # signature checks of one issuer in a round before the others have had theirs


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
        self._left = 0  # of them: to be looked at in this round
        self._parked: dict[str, deque[Connection]] = {}  # by issuer: looked at once, and over its share
        self._order: deque[str] = deque()  # issuers of which one is still to be tried in this round
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
        try:
            self._work(started + seconds)
        finally:
            self._budget.end()
        if not calm:  # what nobody else had use for is not taken from the share
            self._credit -= clock.boot() - started

    def _work(self, until: float) -> None:
        while clock.boot() < until and self._goes_on():
            if self._left:
                self._budget.begin(EACH if self.several else None)
                self._left -= 1
                self._try(self._fresh)
                if not self._left:
                    self._order.extend(self._parked)
            else:
                self._try_parked(self._order.popleft())

    def _goes_on(self) -> bool:
        """Whether there is anybody to try; another round begins where this one is over."""
        if not self._left and not self._order:
            self._budget.renew()
            self._left = len(self._fresh)
            if not self._left:
                self._order.extend(self._parked)
        return bool(self._left or self._order)

    def _try_parked(self, issuer: str) -> None:
        queue = self._parked[issuer]
        self._budget.renew()
        self._budget.begin(1)
        try:
            self._try(queue)
        finally:
            if not queue:
                del self._parked[issuer]

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
