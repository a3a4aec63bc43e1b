"""The revocations that this worker knows: a flat table of 32-byte entries (contracts, section 5)."""

from typing import Final, final

ENTRY_SIZE: Final = 32
FOREVER: Final = 0xFFFFFFFF  # a cut-off of infinity; as an expiry: until lifted
TOMBSTONE: Final = 0  # the cut-off of a tombstone
EVERY_KEY: Final[bytes]  # 16 zero bytes: the key of a reset

class Full(RuntimeError):
    """The table cannot hold the set; nothing of the call was applied."""

def pack(key: bytes, cutoff: int, expiry: int, at: int) -> bytes:
    """One entry: key (16 bytes), cut-off and expiry (u32be seconds), at (u64be microseconds)."""

def unpack(entry: bytes) -> tuple[bytes, int, int, int]:
    """(key, cutoff, expiry, at)."""

@final
class Revocations:
    """Several entries may stand under one key.

    In force for a key is the largest cut-off among its live entries later (by ``at``) than the key's last live
    tombstone and the last reset; at a tie the tombstone counts.
    """

    sequence: int  # a local integer that grows with each change of what is in force: what cached entries compare

    def __init__(self, max_entries: int) -> None: ...
    def apply(self, entries: bytes, now: int) -> int:
        """Add packed entries not yet held (identity: all 32 bytes), skipping expired ones; returns how many were new.

        Raises Full before changing anything when they would not fit after dropping the expired.
        """

    def revoked(self, keys: bytes, issued_at: int, now: int) -> int:
        """Index of the first of the concatenated 16-byte keys in force with ``issued_at <= cutoff``; -1 if none."""

    def cutoff(self, key: bytes, now: int) -> int:
        """The cut-off in force for a key (0 if none)."""

    def latest_at(self) -> int:
        """The largest ``at`` held (0 if none)."""

    def export(self, now: int) -> bytes:
        """All live entries, packed, oldest ``at`` first: for a snapshot, or for putting back what the store lacks."""

    def expire(self, now: int, budget: int) -> int:
        """Drop expired entries, looking at no more than ``budget`` slots; returns how many were dropped."""

    def __len__(self) -> int: ...
    def memory(self) -> int:
        """Bytes held."""
