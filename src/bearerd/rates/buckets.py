"""The token buckets of one process: what each principal may spend, and what was spent since the fleet was told.

Nothing here waits or reads a clock.  A bucket that is full is as good as none, so it may be forgotten; one that is not is
never forgotten for another's sake: whoever could push his own out would have a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd.policy.terms import Budget

MOST_NAMES: Final = 64  # tools for which one principal has a bucket of his own under one rule; all others share one
SWEEP_SECONDS: Final = 1.0  # between two looks for buckets that can be forgotten
_ROUNDING: Final = 1e-6  # of one: what adding up fractions may lose


class Full(Exception):
    """There is no room for another bucket."""


class Key(NamedTuple):
    """Whose bucket it is."""

    budget: str
    principal: tuple[str, ...]
    name: str  # of the tool; empty: of all there is under the rule


class Bucket:
    """One."""

    __slots__ = ("_at", "_level", "budget", "spent")

    def __init__(self, budget: Budget, boot: float) -> None:
        self.budget = budget
        self.spent = 0  # since the fleet was told
        self._level = budget.burst
        self._at = boot

    def level(self, boot: float) -> float:
        """What it holds now."""
        gained = max(0.0, boot - self._at) * self.budget.rate
        return min(self.budget.burst, self._level + gained)

    def take(self, boot: float) -> float:
        """Take one: 0.  There is none: the seconds until there is."""
        self._level, self._at = self.level(boot), max(boot, self._at)
        if self._level >= 1 - _ROUNDING:
            self._level -= 1
            self.spent += 1
            return 0.0
        return (1 - self._level) / self.budget.rate

    def told(self, level: float, boot: float) -> None:
        """What the whole fleet's bucket held, ours told until then; what was spent here since comes off it."""
        self._level, self._at = min(self.budget.burst, level) - self.spent, boot


class Buckets:
    """All of one process, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: dict[Key, Bucket] = {}
        self._names: dict[tuple[str, tuple[str, ...]], int] = {}
        self._spent: dict[Key, Bucket] = {}
        self._swept = float("-inf")

    def __len__(self) -> int:
        return len(self._all)

    def take(self, budget: Budget, principal: tuple[str, ...], name: str, boot: float) -> float:
        """Take one: 0, or the seconds until there is one.  Raises Full."""
        key = self.key(budget, principal, name)
        bucket = self._all.get(key)
        if bucket is None:
            bucket = self._made(key, budget, boot)
        wait = bucket.take(boot)
        if wait == 0.0:
            self._spent[key] = bucket
        return wait

    @property
    def unsaid_of(self) -> int:
        """Of how many buckets something was spent that the fleet was not told yet."""
        return len(self._spent)

    def key(self, budget: Budget, principal: tuple[str, ...], name: str) -> Key:
        """Whose bucket pays.  Who invents names has not a bucket for each."""
        key = Key(budget.name, principal, name)
        if name and key not in self._all and self._names.get(key[:2], 0) >= MOST_NAMES:
            return key._replace(name="")
        return key

    def unsaid(self, most: int) -> list[tuple[Key, Bucket, int]]:
        """What was spent since the fleet was told, of at most so many buckets; it counts as told now."""
        told = []
        for key in list(self._spent)[:most]:
            bucket = self._spent.pop(key)
            told.append((key, bucket, bucket.spent))
            bucket.spent = 0
        return told

    def unsay(self, told: Sequence[tuple[Key, Bucket, int]]) -> None:
        """The fleet was not told after all.  What was forgotten meanwhile had come in again by then."""
        for key, _, spent in told:
            bucket = self._all.get(key)
            if bucket is not None:
                bucket.spent += spent
                self._spent[key] = bucket

    def _made(self, key: Key, budget: Budget, boot: float) -> Bucket:
        if len(self._all) >= self._most:
            self._sweep(boot)
            if len(self._all) >= self._most:
                raise Full
        self._names[key[:2]] = self._names.get(key[:2], 0) + 1
        bucket = self._all[key] = Bucket(budget, boot)
        return bucket

    def _sweep(self, boot: float) -> None:
        """Forget what is full again, and of which the fleet knows all."""
        if boot < self._swept + SWEEP_SECONDS:
            return
        self._swept = boot
        gone = [
            key for key, bucket in self._all.items() if not bucket.spent and bucket.level(boot) >= bucket.budget.burst
        ]
        for key in gone:
            del self._all[key]
            left = self._names[key[:2]] - 1
            if left:
                self._names[key[:2]] = left
            else:
                del self._names[key[:2]]
