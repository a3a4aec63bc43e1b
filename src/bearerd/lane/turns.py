"""Whose turn it is: requests that have to be verified wait until those that are known have been answered.

While no known token comes, each turn of the loop verifies for a slice, and then what has come is looked at.  While they come,
verification gets a share of the time, and more where this thread has nothing to do for over a fifth of it: known tokens come
in crowds, and a loop without any lull makes each crowd wait.  So a flood of strangers takes a twelfth and most of what nobody
else needs, and known tokens wait for a slice at the most.

A round takes as many turns as it needs: all who had come when it began are looked at, and of each issuer a few are verified;
then one of each issuer's that were put off.  So no issuer's flood holds up another's token.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import thread_time
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.decision import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd._native.connection import Connection
    from bearerd._native.lane import Lane
    from bearerd.decision import Pending
    from bearerd.verify.budget import Budget

SHARE: Final = 0.08  # of the time, for verification while known tokens come
LULL: Final = 0.20  # of the time, which is to stay idle if it is
GAIN: Final = 2.0  # times what is idle beyond it: the more verification takes, the less is idle
LONGEST: Final = 0.002  # seconds that may have been saved up of both
OWED: Final = 0.01  # seconds of idleness that may be lacking before more is forgotten: of the last two crowds or so
SLICE: Final = 0.001  # seconds of a turn: for so long one that comes after all may wait
PAUSE: Final = 0.001  # seconds: after so long without a known one none come; the shortest wait for more of a share
LOOK: Final = 0.01  # seconds, the longest wait: who was kept from the processor owes much, and all may be calm by then
EACH: Final = 2  # signature checks of one issuer in a round before the others have had theirs
_KEYS: Final = frozenset({Wait.KEY, Wait.APIKEY})  # how many wait for these is bounded by those who fetch them


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
        """``most``: requests that may wait; those that wait for a key are counted by ``verify.flights`` and ``apikeys.ring``."""
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
        self._keys = 0  # of them: for a key, of which there may be none for as long as its issuer takes to answer
        self._next: asyncio.Handle | None = None  # the turn that is due
        self._credit = 0.0  # seconds
        self._spare = 0.0  # seconds of idleness that still lack to the lull, as a negative number
        self._at = self._known_at = clock.boot()  # of the last turn, and of the last in which known tokens had come
        self._used = thread_time()
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
        if self._next is not None:
            self._next.cancel()  # else there would be two from then on
            self._next = None
        if self._fresh or self._parked:
            self._schedule()

    def _landed(self, connection: Connection, task: asyncio.Task[None], *, key: bool) -> None:
        """A key that was waited for has come, or has not, or nobody waits for it any more."""
        self._flights -= 1
        self._keys -= key
        self._tell()
        if task.cancelled() or task.exception() is not None:
            connection.abort()

    def _tell(self) -> None:
        self._lane.full = self.waiting - self._keys >= self._most

    def _schedule(self, pause: float = 0.0) -> None:
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.call_later(pause, self._turn) if pause > 0.0 else loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Whatever goes wrong in it: there is a next one."""
        pause = PAUSE
        try:
            pause = self._take()
        finally:
            self._next = None
            self._tell()
            if self._fresh or self._parked:
                self._schedule(pause)

    def _take(self) -> float:
        """Seconds until the next turn.  Turn upon turn without a share would only have the loop look before much has come."""
        calm, started = self._look(), self._at
        if not calm and self._credit <= 0.0:
            return min(max(PAUSE, -self._credit), LOOK)
        try:
            self._work(started + (SLICE if calm else min(SLICE, self._credit)))
        finally:
            self._budget.end()
            spent = clock.boot() - started
            self._known_at += spent  # nobody could come meanwhile
            if not calm:  # what nobody else had use for is not taken from the share
                self._credit -= spent
        return 0.0

    def _look(self) -> bool:
        """Whether no known tokens come; and what there was to spare since the last turn."""
        now, used, allowed = clock.boot(), thread_time(), self._lane.allowed
        passed = now - self._at
        spare = self._spare + max(0.0, passed - (used - self._used)) - LULL * passed
        self._credit = min(LONGEST, self._credit + SHARE * passed + GAIN * max(0.0, spare))
        self._spare = min(0.0, max(-OWED, spare))
        if allowed != self._allowed:
            self._known_at = now
        self._at, self._used, self._allowed = now, used, allowed
        return now - self._known_at >= PAUSE

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
        key = pending.kind in _KEYS
        self._flights += 1
        self._keys += key
        connection.waiter = task = self._resolve(connection, pending)
        task.add_done_callback(lambda task: self._landed(connection, task, key=key))  # also of one that has never begun
