"""Verified tokens: bounded in entries and bytes, keyed by a keyed digest of the exact token bytes."""

from enum import IntEnum
from typing import final

from bearerd._native.generations import Generations
from bearerd._native.revocations import Revocations

class Found(IntEnum):
    """What a look-up found."""

    MISS = 0
    HIT = 1
    EXPIRED = 2  # by either clock; the entry is gone
    REVOKED = 3  # the entry stays: a revoked good token must not cost a signature check again
    KEYS_CHANGED = 4  # the issuer's key set has another generation: is the verifying key still there?
    CONFIG_CHANGED = 5  # the entry is gone: verify anew

@final
class TokenCache:
    """Flat records without Python objects; the least recently used goes first.  Grows incrementally."""

    entries: int
    bytes: int
    hits: int
    misses: int
    evictions: int

    def __init__(self, max_entries: int, max_bytes: int) -> None: ...
    def find(
        self, token: bytes, wall: float, boot: float, generations: Generations, revocations: Revocations
    ) -> tuple[Found, bytes | None]:
        """Look a token up and check time, generations and revocations (re-probed when ``revocations.sequence`` moved).

        The record comes with HIT, REVOKED and KEYS_CHANGED.
        """

    def put(
        self,
        token: bytes,
        record: bytes,
        issuer: int,
        key_generation: int,
        config_generation: int,
        issued_at: int,
        until_wall: float,
        until_boot: float,
        probes: bytes,
    ) -> None:
        """Keep a verified token: ``record`` is opaque, ``probes`` the concatenated 16-byte revocation keys (at most 16)."""

    def renew(self, token: bytes, key_generation: int) -> None:
        """The verifying key is still in the issuer's set of this generation."""

    def drop(self, token: bytes) -> None: ...
    def clear(self) -> None: ...
