"""What a read left over: connections whose next request was not looked at at once, and when it is.

Some have sent more than is answered at once, and others come first.  Some *stand back*: what they ask costs as much as an
allow that stands ready, or far more, and brings nobody anything, as the hundredth refusal of one token.  While known tokens
come, these have a share of the time; where none came in a turn of the loop, they have all of it.
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

SLICE: Final = 0.002  # seconds of a turn, for either of them
BACK_SHARE: Final = 0.08  # of the time that others took in a turn, for those that stand back


class Leftovers:
    """Of one lane.  ``failed`` ends a connection that met a fault."""

    def __init__(self, lane: Lane, failed: Callable[[Connection, Exception], None]) -> None:
        self._lane = lane
        self._failed = failed
        self._queue: deque[Connection] = deque()
        self._back: deque[Connection] = deque()
        self._spare = 0.0  # seconds for those that stand back
        self._ended, self._allowed = clock.boot(), 0  # of the last turn: when, and how many had been allowed by then
        self._next: asyncio.Handle | None = None  # the turn that is due

    @property
    def waiting(self) -> int:
        """How many connections wait for their turn."""
        return len(self._queue) + len(self._back)

    def later(self, connection: Connection) -> None:
        """It has more to be answered; others come first."""
        self._queue.append(connection)
        self.watch()

    def stand_back(self, connection: Connection) -> None:
        """Known tokens come first, and again."""
        self._back.append(connection)
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
            self._spare -= self._serve(self._back, self._spare)
            self._serve(self._queue, SLICE)
        finally:
            self._ended, self._allowed = clock.boot(), self._lane.allowed
            if self.waiting:
                self.watch()

    def _grant(self) -> None:
        """Time for those that stand back; what they took too much of is paid back first."""
        if self._lane.allowed == self._allowed:
            self._spare = SLICE
        else:
            self._spare = min(SLICE, self._spare + BACK_SHARE * (clock.boot() - self._ended))

    def _serve(self, queue: deque[Connection], seconds: float) -> float:
        """Those in a queue, for so long; returns how long that was."""
        started = now = clock.boot()
        for _ in range(len(queue)):
            if now - started >= seconds:
                break
            connection = queue.popleft()
            try:
                connection.more()
            except Exception as error:  # noqa: BLE001 - no answer is better than a wrong one
                self._failed(connection, error)
            now = clock.boot()
        return now - started
