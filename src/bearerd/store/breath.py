"""Looking often, but not for every ring: what comes in a crowd is looked at together.

A heartbeat for each of a thousand revocations a second, and a second to confirm it, would take a third of a core from the
decisions.  So a few looks may follow one another at once, which is all that a single revocation needs; from then on there is
one in ten milliseconds, or in up to forty, the more of them the more the last one brought; it brings all that came meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from bearerd._native import clock

APART: Final = 0.01  # seconds between two looks, each of which brings a few
EACH: Final = 0.0025  # seconds for each that the last look brought, where that is longer
CROWDED: Final = 0.04  # seconds, at most: more than four hundred a second are a crowd
AT_ONCE: Final = 4  # looks that need not wait: a revocation's heartbeat and its confirmation, twice
AHEAD: Final = APART * (AT_ONCE - 1)  # how far looks may run ahead of being evenly apart


class Breath:
    """Call ``draw`` before each look."""

    def __init__(self) -> None:
        self._due = -math.inf  # boot time at which the next one would be, were they evenly apart

    async def draw(self, brought: int) -> None:
        """Wait until there may be another look; at once where there were few.  ``brought``: revocations, by the last one."""
        now = clock.boot()
        due = max(self._due + min(max(APART, brought * EACH), CROWDED) - APART, now)
        self._due = due + APART
        if due - now > AHEAD:
            await asyncio.sleep(due - now - AHEAD)
