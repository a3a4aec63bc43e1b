"""What time it is, read once for a request, and what it may be: a wall clock that is set revives no token.

CLOCK_BOOTTIME never jumps, and runs on while the machine sleeps; CLOCK_REALTIME may be set.  Their difference is kept: by
the largest that was seen tokens are judged (``Now.latest``: none lives past its ``exp`` by either clock, whatever became of
the wall clock since), by the smallest, revocations are forgotten (``Now.earliest``: one that is still needed is never
dropped because the clock was set forward for an hour).  ``nbf`` and ``iat``, too, are judged by the latest time.  By the
wall clock itself a token would be good that is known and not good that is new; and what is good by the latest time alone
is good by both ends of its life at that time, so nothing is accepted that a clock which was right would not have.

A wall clock that lies behind is believed again

- at once where the kernel says that a time service keeps it, and did not say so of the clock that it lies behind: the
  machine started with a wrong clock, or somebody set it by hand, and it was put right;
- else once it has itself passed the moment at which it was set back by ``hold`` seconds: every token from before that
  moment has expired by then, by its own word;
- in any case after twice ``hold`` in step with the boot clock: who sets a clock back by more than that means it;

and in no case before the revocations were read again that ended by the time shown before (``forgotten``).

One that lies ahead is believed at once for tokens, and after twice ``hold`` for revocations.  A process that starts
believes what it finds, unless it is told what its parent has seen: to restart bearerd is to believe the clock at once.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd._native.anchor import Anchor
from bearerd.decision import Now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEP: Final = 1.0  # seconds by which a wall clock may stray from the boot clock before it counts as set
DAY: Final = 86400.0

_LOGGER: Final = logging.getLogger("bearerd.time")


def plain() -> Now:
    """Both clocks as they are, whatever they said before: for what no token depends on."""
    return Now(clock.wall(), clock.boot())


class Timekeeper:
    """One a process; ``review`` is called every second or so."""

    def __init__(
        self,
        hold: float = DAY,
        *,
        clocks: Callable[[], tuple[float, float]] | None = None,
        synchronised: Callable[[], bool] = clock.synchronised,
        seen: Sequence[float] | None = None,
    ) -> None:
        """``hold`` (seconds): not less than the time for which any token is good, leeway included.

        ``clocks`` gives (wall, boot) seconds; None: the machine's.  ``seen`` is another keeper's, of the same machine.
        """
        self.hold = hold
        self._clocks = clocks
        self._synchronised = synchronised
        self.anchor = Anchor() if seen is None else Anchor(seen[0], seen[1])
        # What the latest time rests on: whether a time service kept the clock while it said so.
        self._kept = seen is not None and bool(seen[2])
        self._offset = math.nan  # wall minus boot time, since it was last set
        self._since = 0.0  # boot time at which it was
        self._stepped = 0.0  # the latest time that it could be then
        self._forgotten = -math.inf  # revocations that ended until then may have been dropped
        self.falls = 0  # how often the latest time fell: what was judged by it is to be judged anew
        self.review()

    def now(self) -> Now:
        """The time."""
        read = self.anchor.read() if self._clocks is None else self.anchor.tell(*self._clocks())
        return tuple.__new__(Now, read)  # as Now(*read), in a third of the time: every request asks

    def forgetting(self) -> int:
        """The time (whole seconds since the epoch) until which revocations that have ended may be dropped now."""
        until = int(self.now().earliest)
        self._forgotten = max(self._forgotten, until)
        return until

    @property
    def forgot_too_much(self) -> bool:
        """Whether revocations were dropped that may be needed: the clock was ahead.  They are to be read again."""
        return self._forgotten > self.now().earliest + STEP

    def remembered(self, since: float) -> None:
        """Everything was read again, and nothing dropped that had not ended at ``since`` (``Now.earliest`` before)."""
        self._forgotten = since

    def seen(self) -> tuple[float, float, float]:
        """What another process on this machine should know (JSON-able)."""
        return self.anchor.latest, self.anchor.earliest, float(self._kept)

    def review(self) -> Now:
        """Look whether the wall clock was set, and whether what it said before may be forgotten; returns the time."""
        now = self.now()
        offset = now.wall - now.boot
        if not math.isfinite(offset):
            return now
        kept = self._synchronised()
        if not abs(offset - self._offset) <= STEP:
            self._note(now, offset)
        if now.behind <= STEP:
            self._kept = kept
        elif self._believed(now, kept=kept):
            _LOGGER.warning("the wall clock is believed again", extra={"seconds_behind": round(now.behind, 1)})
            self.anchor.latest, self._kept = offset, kept
            self.falls += 1
        if now.ahead > STEP and now.boot - self._since >= 2 * self.hold:
            self.anchor.earliest = offset
        return self.now()

    def _note(self, now: Now, offset: float) -> None:
        by = offset - self._offset
        self._offset, self._since, self._stepped = offset, now.boot, now.latest
        if math.isnan(by):
            return
        if now.behind > STEP:
            _LOGGER.warning(
                "the wall clock was set back: tokens expire by what it said before",
                extra={"seconds": round(by, 1), "seconds_behind": round(now.behind, 1), "hold": self.hold},
            )
        else:
            _LOGGER.warning("the wall clock was set", extra={"seconds": round(by, 1)})

    def _believed(self, now: Now, *, kept: bool) -> bool:
        """Whether a wall clock that lies behind is to be believed (see the module)."""
        if self._forgotten > now.wall:
            return False
        if kept and not self._kept:
            return True
        return now.wall >= self._stepped + self.hold or now.boot - self._since >= 2 * self.hold
