"""Notices a worker whose loop has stopped turning: its slot goes to a sibling, and soon it is killed.

Time is counted in ticks of our own.  After a suspension, or when this process itself was starved, the clock has run on and
every worker looks dead by it; not one of our ticks has passed meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bearerd.serve.member import Phase

if TYPE_CHECKING:
    from bearerd.serve.crew import Crew

TICK_SECONDS: Final = 1.0
SUSPECT_TICKS: Final = 3  # without a beat: a sibling serves its slot
KILL_TICKS: Final = 10  # without a beat: killed and replaced
START_TICKS: Final = 60  # the same for one that is still starting
SETTLE_TICKS: Final = 10  # up, and neither it nor a sibling decides: it serves all the same, for the open rules

_LOGGER: Final = logging.getLogger("bearerd.watchdog")


async def run(crew: Crew) -> None:
    """Look at every worker, each second, for ever."""
    while True:
        await asyncio.sleep(TICK_SECONDS)
        look(crew)


def look(crew: Crew) -> None:
    """One tick."""
    for member in list(crew.members):
        member.silent += 1
        member.ticks += member.phase is Phase.UP
        if member.silent >= (START_TICKS if member.phase is Phase.STARTING else KILL_TICKS):
            _LOGGER.error(
                "a worker is stuck and is killed",
                extra={"worker": member.pid, "slot": member.slot, "ticks": member.silent},
            )
            member.process.kill()
        elif member.silent >= SUSPECT_TICKS and member.phase is Phase.UP and not member.suspected:
            _LOGGER.warning("a worker is silent: a sibling serves its slot", extra={"worker": member.pid})
            member.suspected = True
            crew.assign()
        if member.ticks >= SETTLE_TICKS and not member.trial and not any(one.decides for one in crew.members):
            crew.settle(member)
