"""The revocations that this worker knows: a flat table of 32-byte entries (contracts, section 5)."""

from typing import Final, Self, final

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

    # Grows with whatever may put a revocation in force: what cached entries compare.  No two tables of a process ever
    # have the same.
    sequence: int
    lifts: int  # grows with each tombstone that is applied

    def __new__(cls, max_entries: int) -> Self: ...
    def apply(self, entries: bytes, now: int) -> int:
        """Add packed entries not yet held (identity: all 32 bytes); returns how many were new.

        Skips (and drops) what is expired, and what can never make a difference beside another entry of its key: one
        that lasts as long, is as late, and cuts off as much or is a tombstone.  Raises Full before changing anything
        when they would not fit after dropping the expired; ValueError when the length is no multiple of 32.
        """

    def revoked(self, keys: bytes, issued_at: int, now: int) -> int:
        """Index of the first of the concatenated 16-byte keys in force with ``issued_at <= cutoff``; -1 if none."""

    def cutoff(self, key: bytes, now: int) -> int:
        """The cut-off in force for a key (0 if none)."""

    def latest_at(self) -> int:
        """The largest ``at`` ever held (0 if none): it does not fall when entries expire."""

    def export(self, now: int) -> bytes:
        """All live entries, packed, oldest ``at`` first: for a snapshot, or for putting back what the store lacks.

        At once (0.3 s for a million); ``page`` is for tables whose size is felt.
        """

    def page(self, now: int, position: int, budget: int) -> tuple[bytes, int]:
        """(live entries, packed; the position to go on at, 0 at the end), looking at about ``budget`` slots.

        In no particular order.  From position 0 to the end it tells once whatever stays in the table meanwhile.
        """

    def expire(self, now: int, budget: int) -> int:
        """Drop expired entries, looking at about ``budget`` slots; returns how many were dropped.

        Each call goes on where the last one ended, and takes growing and shrinking on by as much.
        """

    def __len__(self) -> int: ...
    def memory(self) -> int:
        """Bytes held."""

    def marks(self) -> int:
        """How many keys' marks stand, for tests: one for each key, less those that share theirs."""
