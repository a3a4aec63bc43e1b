"""Looking often, but not for every ring: what comes in a crowd is looked at together.

A heartbeat for each of a thousand revocations a second, and a second to confirm it, would take a third of a core from the
decisions.  So a few looks may follow one another at once, which is all that a single revocation needs; from then on there is
one in so many milliseconds, and it brings everything that came meanwhile.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from bearerd._native import clock

APART: Final = 0.02  # seconds between two looks of a crowd
AT_ONCE: Final = 4  # looks that need not wait: a revocation's heartbeat and its confirmation, twice


class Breath:
    """Call ``draw`` before each look."""

    def __init__(self, apart: float = APART, at_once: int = AT_ONCE) -> None:
        self._apart = apart
        self._ahead = apart * (at_once - 1)  # how far looks may run ahead of being evenly apart
        self._due = -math.inf  # boot time at which the next one would be, were they evenly apart

    async def draw(self) -> None:
        """Wait until there may be another look; at once where there were few."""
        now = clock.boot()
        due = max(self._due, now)
        self._due = due + self._apart
        if due - now > self._ahead:
            await asyncio.sleep(due - now - self._ahead)
