"""Room for who waits to be accepted: where there are as many connections as there may be, those that have rested longest go.

A gateway keeps its connections for later, so that one that rests is left alone; but who makes as many as we take, and says
nothing more, would otherwise keep everybody out until the last of them is an hour old.
"""

from __future__ import annotations

import heapq
import logging
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

RESTED_SECONDS: Final = 10.0  # who asks more often than this keeps its connection
SHARE: Final = 16  # one in so many goes at once

_LOGGER: Final = logging.getLogger("bearerd.room")


class Resting(Protocol):
    """A connection, of the lane's or of aiohttp's."""

    def rested(self) -> float:
        """Seconds for which nothing has been under way; 0 while something is."""

    def shut(self) -> None:
        """Close it if it owes nothing."""


def make_room(connections: Iterable[Resting]) -> int:
    """Close those that have rested longest, as far as they have rested for long; how many they were."""
    found = [(connection.rested(), connection) for connection in connections]
    most = max(1, len(found) // SHARE)
    longest = heapq.nlargest(most, (one for one in found if one[0] >= RESTED_SECONDS), key=itemgetter(0))
    for _, connection in longest:
        connection.shut()
    if longest:
        _LOGGER.warning("connections that rested were closed: others wait for room", extra={"closed": len(longest)})
    return len(longest)
