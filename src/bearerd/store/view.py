"""What one process knows of the revocations, and how old that knowledge is."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from bearerd._native.revocations import ENTRY_SIZE, Revocations
from bearerd.timekeeper import Timekeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.decision import Now
    from bearerd.store.protocol import Position

RESERVE: Final = 1024  # entries above max_revocations: a full store can still be lifted from, and reset
_CHUNK: Final = 2048  # entries applied before others get the loop: well under a millisecond


class View:
    """The table, the position up to which it is complete, and its age.

    Position and age are set by ``Sync``, and before it by the snapshot that the process starts from (``store.archive``).
    There are two ages.  ``age`` is by this process's own heartbeats: strict resources and leases go by it, and a snapshot
    never makes it younger, for nobody waited for a process that had no lease.  ``known_age`` counts the snapshot, too.
    """

    def __init__(
        self, max_revocations: int, time: Timekeeper | None = None, lifted: Callable[[], None] = lambda: None
    ) -> None:
        """``time``: by which entries are forgotten; None makes one.  ``lifted``: who is told that something was lifted.

        It is told before anybody can decide by what then holds.
        """
        self.time = time or Timekeeper()
        self._lifted = lifted
        self.capacity = max_revocations + RESERVE
        self.table = Revocations(self.capacity)
        self.position: Position | None = None
        self.problem: str | None = "the store was not read yet"
        self.refused = 0  # members of the store without the fleet's seal: each is somebody else's
        # The store was asked since the start: a heartbeat counted, or none will soon.  While a round is waited for one will.
        self.asked = False
        self._counted = -math.inf  # boot time at which the last counted heartbeat was *sent*
        self._inherited = -math.inf, -math.inf  # (wall, boot) time of the last one that the snapshot knew of

    def age(self, now: Now) -> float:
        """Seconds since the store certainly held nothing that this view lacks; infinite before the first such moment.

        By this process's own heartbeats, from when each was sent: a reply that was long under way must not make the view
        younger.
        """
        return max(0.0, now.boot - self._counted)

    def known_age(self, now: Now) -> float:
        """The same, or by the snapshot that the process started from, where it has nothing younger of its own.

        A snapshot is as old as either clock says: a wall clock that is put right after the start makes it older, not younger.
        """
        wall, boot = self._inherited
        return min(self.age(now), max(0.0, now.latest - wall, now.boot - boot))

    def inherit(self, wall: float, boot: float) -> None:
        """A snapshot was applied whole, whose last counted heartbeat was sent at these times (seconds)."""
        self._inherited = wall, boot

    @property
    def counted(self) -> float:
        """Boot time (seconds) at which the last counted heartbeat was sent; -inf if there was none."""
        return self._counted

    def count(self, sent: float) -> None:
        """A heartbeat sent at this boot time counts: everything that the store held then is applied."""
        self._counted = max(self._counted, sent)
        self.asked, self.problem = True, None

    async def apply(self, entries: bytes, position: Position | None = None, *, also: Revocations | None = None) -> None:
        """Apply packed entries in chunks that do not hold up the loop; the last chunk and the position go together.

        A cancelled or failed call leaves the old position: what was applied is read again, and is held already.
        ``also`` is a second table that gets the same.  Raises Full.
        """
        step = _CHUNK * ENTRY_SIZE
        for start in range(0, len(entries), step):
            if start:
                await asyncio.sleep(0)
            chunk, now, lifts = entries[start : start + step], self.time.forgetting(), self.table.lifts
            self.table.apply(chunk, now)
            if self.table.lifts != lifts:
                self._lifted()
            if also is not None:
                also.apply(chunk, now)
        if position is not None:
            self.position = position
