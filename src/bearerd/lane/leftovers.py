"""What a read left over: connections whose next request was not looked at at once, and when it is.

Some have sent more than is answered at once, and others come first.  Some *stand back*:

- What they ask costs as much as an allow that stands ready, or far more, and brings nobody anything, as the hundredth refusal
  of one token.  While known tokens come they have a share of the time; where none came in a turn of the loop, all of it.
- There is no room for them to wait for their turn, and to be told so costs a fifth of what they wait for: where all were told
  at once, the more came, the fewer would be served.  Where there is room again, who came first has it, and whoever comes
  meanwhile stands behind; after half a second they are told, in a share of the time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from bearerd._native import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd._native.connection import Connection
    from bearerd._native.lane import Lane

SLICE: Final = 0.002  # seconds of a turn, for each of these queues
BACK_SHARE: Final = 0.08  # of the time, for those that stand back for known tokens
AWAY_SHARE: Final = 0.01  # likewise to tell others that they find no room: reading what they ask costs as much again
AWAY_SECONDS: Final = 0.5  # before nobody is told so: gateways wait for a while, but not for ever


class _Share:
    """Of the time; what was too much is paid back first."""

    def __init__(self, share: float) -> None:
        self.spare = 0.0  # seconds
        self._share = share

    def grant(self, passed: float, *, free: bool) -> None:
        """For so many seconds.  ``free``: nobody else needs them."""
        self.spare = SLICE if free else min(SLICE, self.spare + self._share * passed)


class Leftovers:
    """Of one lane.  ``failed`` ends a connection that met a fault."""

    def __init__(self, lane: Lane, failed: Callable[[Connection, Exception], None]) -> None:
        self._lane = lane
        self._failed = failed
        self._queue: deque[Connection] = deque()
        self._back: deque[Connection] = deque()
        self._away: deque[Connection] = deque()
        self._for_back, self._for_away = _Share(BACK_SHARE), _Share(AWAY_SHARE)
        self._ended, self._allowed = clock.boot(), 0  # of the last turn: when, and how many had been allowed by then
        self._next: asyncio.Handle | None = None  # the turn that is due

    @property
    def waiting(self) -> int:
        """How many connections wait for their turn."""
        return len(self._queue) + len(self._back) + len(self._away)

    def later(self, connection: Connection) -> None:
        """It has more to be answered; others come first."""
        self._queue.append(connection)
        self.watch()

    def stand_back(self, connection: Connection, *, away: bool) -> None:
        """Others come first, and again.  ``away``: those that wait, of whom there are too many; else known tokens."""
        (self._away if away else self._back).append(connection)
        self._lane.outside |= away
        self.watch()

    def watch(self) -> None:
        """Tell the lane of the loop's next turn."""
        if self._next is None:
            self._next = asyncio.get_running_loop().call_soon(self._turn)

    def revive(self) -> None:
        """From time to time: whatever became of the last turn, there is another."""
        if self._next is not None:
            self._next.cancel()  # else there would be two from then on
            self._next = None
        self.watch()

    def _turn(self) -> None:
        """Those that wait, for a while; then whatever has come meanwhile."""
        self._next = None  # what takes long here asks for the next turn, too: else nobody says that this one is over
        self._lane.turned()
        self._grant()
        try:
            self._serve(self._away, SLICE, self._has_room)
            self._for_away.spare -= self._serve(self._away, self._for_away.spare, self._is_late)
            self._for_back.spare -= self._serve(self._back, self._for_back.spare)
            self._serve(self._queue, SLICE)
        finally:
            self._lane.outside = bool(self._away)
            self._ended, self._allowed = clock.boot(), self._lane.allowed
            if self.waiting:
                self.watch()

    def _grant(self) -> None:
        passed = clock.boot() - self._ended
        self._for_back.grant(passed, free=self._lane.allowed == self._allowed)
        self._for_away.grant(passed, free=False)

    def _has_room(self) -> bool:
        """Whether who came first may wait for his turn; before the end he is told that he may not."""
        return not self._lane.full or self._lane.closing

    def _is_late(self) -> bool:
        """Whether who came first has stood back for long."""
        return clock.boot() - self._away[0].since >= AWAY_SECONDS

    def _serve(self, queue: deque[Connection], seconds: float, goes_on: Callable[[], bool] = lambda: True) -> float:
        """Those in a queue, for so long; returns how long that was."""
        started = now = clock.boot()
        for _ in range(len(queue)):
            if now - started >= seconds or not goes_on():
                break
            connection = queue.popleft()
            try:
                connection.more()
            except Exception as error:  # noqa: BLE001 - no answer is better than a wrong one
                self._failed(connection, error)
            now = clock.boot()
        return now - started
