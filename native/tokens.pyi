"""Verified tokens: bounded in entries and bytes, keyed by a keyed digest of the exact token bytes."""

import builtins
from collections.abc import Callable
from enum import IntEnum
from typing import Generic, TypeVar, final, overload

from bearerd._native.generations import Generations
from bearerd._native.revocations import Revocations

_S = TypeVar("_S")

class Found(IntEnum):
    """What a look-up found."""

    MISS = 0
    HIT = 1
    EXPIRED = 2  # by either clock; the entry is gone
    REVOKED = 3  # the entry stays: a revoked good token must not cost a signature check again
    KEYS_CHANGED = 4  # the issuer's key set has another generation: is the verifying key still there?
    CONFIG_CHANGED = 5  # the entry is gone: verify anew

@final
class TokenCache(Generic[_S]):
    """Flat records without Python objects; the least recently used goes first.  Grows incrementally.

    Whoever asks is given what ``reads`` makes of the record and of the generation of its issuer's keys (without it: the
    record); that is kept for the 1,024 tokens that were asked for lately, and never beyond a change of the record.
    """

    hits: int  # HIT and REVOKED
    misses: int  # MISS, EXPIRED and CONFIG_CHANGED (KEYS_CHANGED is decided by what follows)

    @property
    def evictions(self) -> int:
        """How many entries went to make room for others."""

    @property
    def entries(self) -> int:
        """How many tokens are known."""

    @property
    def bytes(self) -> int:
        """What the entries hold: what they keep, as the allocator rounds it, and 100 bytes for the record of each."""

    @overload
    def __new__(cls, max_entries: int, max_bytes: int) -> TokenCache[builtins.bytes]: ...
    @overload
    def __new__(
        cls, max_entries: int, max_bytes: int, reads: Callable[[builtins.bytes, int], _S]
    ) -> TokenCache[_S]: ...
    def find(
        self, token: builtins.bytes, wall: float, boot: float, generations: Generations, revocations: Revocations
    ) -> tuple[Found, _S | None]:
        """Look a token up and check time, generations and revocations (re-probed when ``revocations.sequence`` moved).

        What the record says comes with HIT, REVOKED and KEYS_CHANGED.
        """

    def put(
        self,
        token: builtins.bytes,
        record: builtins.bytes,
        issuer: int,
        key_generation: int,
        config_generation: int,
        issued_at: int,
        until_wall: float,
        until_boot: float,
        probes: builtins.bytes,
    ) -> None:
        """Keep a verified token: ``record`` is opaque, ``probes`` the concatenated 16-byte revocation keys (at most 16).

        ``issuer`` is its index (16 bits), ``issued_at`` floor(iat), ``until_wall`` and ``until_boot`` the seconds by each
        clock from which it is EXPIRED.  What these bytes had before is replaced.  An entry that has no room in
        ``max_bytes`` by itself is not kept.
        """

    def record_of(self, digest: builtins.bytes, length: int) -> _S | None:
        """What the record under a keyed digest says, unjudged: for what was decided a moment ago.  None where it has gone."""

    def renew(self, token: builtins.bytes, key_generation: int) -> None:
        """The verifying key is still in the issuer's set of this generation."""

    def drop(self, token: builtins.bytes) -> None: ...
    def clear(self) -> None:
        """Forget all, and give the memory back.  Takes as long as there are entries; a reload needs only generations."""

    def memory(self) -> int:
        """Bytes held, segments that wait for entries included."""

    def longest_chain(self) -> int:
        """How many entries must be compared at most: a few, however many there are.  Looks at all: for diagnosis."""
