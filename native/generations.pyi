"""Integers that say which configuration, key sets and revocations a cached entry was checked under."""

from typing import final

@final
class Generations:
    """One a worker.  A mismatch re-checks the entry; nothing is swept."""

    config: int

    @property
    def total(self) -> int:
        """One integer for configuration and key sets, which grows with each change of either."""

    def key_set(self, issuer: int) -> int:
        """The generation of that issuer's key set; 0 before the first."""

    def bump_key_set(self, issuer: int) -> int:
        """One more (the issuer's usable keys changed); returns it."""
