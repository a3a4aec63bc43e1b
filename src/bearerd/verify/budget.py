"""Signature checks are dear: within one round of those who wait, none but its share goes to any one issuer's tokens."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Budget:
    """Of one process.  Outside a turn (``begin``, ``end``) nothing is held back."""

    def __init__(self) -> None:
        self._each: int | None = None
        self._taken: Counter[str] = Counter()

    def begin(self, each: int | None) -> None:
        """A turn begins, with so many checks for each issuer in this round; None: as many as there are."""
        self._each = each

    def end(self) -> None:
        """The turn is over; the round may go on in the next."""
        self._each = None

    def renew(self) -> None:
        """Another round: nothing has been taken."""
        self._taken.clear()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """No check is made, whatever a turn may allow: who asks meanwhile has to wait."""
        each, self._each = self._each, 0
        try:
            yield
        finally:
            self._each = each

    def take(self, issuer: str) -> bool:
        """Whether one more token of this issuer may be checked now."""
        if not self._each:
            return self._each is None
        self._taken[issuer] += 1
        return self._taken[issuer] <= self._each
