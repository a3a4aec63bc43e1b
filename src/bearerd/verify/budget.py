"""Signature checks are dear: within one turn of the loop, none but its share goes to any one issuer's tokens."""

from __future__ import annotations

from collections import Counter


class Budget:
    """Of one process.  Outside a turn (``begin``, ``end``) nothing is held back."""

    def __init__(self) -> None:
        self._each: int | None = None
        self._taken: Counter[str] = Counter()

    def begin(self, each: int | None) -> None:
        """A turn begins, with so many checks for each issuer; None: as many as there are."""
        self._each = each
        self._taken.clear()

    def end(self) -> None:
        """The turn is over."""
        self._each = None

    def take(self, issuer: str) -> bool:
        """Whether one more token of this issuer may be checked now."""
        if self._each is None:
            return True
        self._taken[issuer] += 1
        return self._taken[issuer] <= self._each
