"""For how long a worker's answer is waited for, by the supervisor and by the commands that ask it."""

from __future__ import annotations

from typing import Final

PATIENCE: Final = 15.0  # seconds: longer than a key set's fetch


def to_revoke(enforce_timeout: float) -> float:
    """Seconds for what may be a revocation: it waits for its durability and for the other workers, each so long at the most."""
    return PATIENCE + 2 * enforce_timeout
