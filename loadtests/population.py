"""The tokens of a load test: a few that everybody uses, a long tail, and some that must be refused."""

from __future__ import annotations

import bisect
import itertools
import random
import time
from dataclasses import dataclass
from typing import Final

ALLOWED: Final = frozenset({200})
REFUSED: Final = frozenset({401})
SETTLING: Final = 2.0  # seconds around an event in which either verdict is right: the request may have been under way


@dataclass
class Member:
    """One token and what must come of it."""

    token: str
    kind: str  # the name in the report
    good_until: float = float("inf")  # time.time() at which it turns bad

    def expected(self) -> frozenset[int]:
        """The statuses that are right now."""
        left = self.good_until - time.time()
        if abs(left) < SETTLING:
            return ALLOWED | REFUSED
        return ALLOWED if left > 0 else REFUSED


class Population:
    """Members in order of popularity; the n-th is asked about 1/n times as often as the first (Zipf)."""

    def __init__(self, members: list[Member], seed: int = 1) -> None:
        self.members = members
        self._random = random.Random(seed)
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, len(members) + 1)))

    def pick(self) -> Member:
        """A member, by popularity."""
        return self.members[bisect.bisect(self._weights, self._random.random() * self._weights[-1])]

    def add(self, member: Member) -> None:
        """A new member, the least popular so far."""
        self.members.append(member)
        self._weights.append(self._weights[-1] + 1 / len(self.members))
