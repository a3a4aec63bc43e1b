"""What a set of entries means, by the words of contracts section 5 and by nothing of bearerd's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

FOREVER = 0xFFFFFFFF
EVERY_KEY = "0" * 32


class Entry(NamedTuple):
    """One entry of the log."""

    key: str  # hex
    cutoff: int  # epoch seconds; 0: a tombstone
    expiry: int  # epoch seconds; FOREVER: until lifted
    at: int  # microseconds

    @property
    def lifts(self) -> bool:
        return self.cutoff == 0

    def live(self, now: float) -> bool:
        return self.expiry == FOREVER or self.expiry > now


def entry(text: str) -> Entry:
    """From the 32 bytes of a member, in hex."""
    raw = bytes.fromhex(text)
    numbers = (int.from_bytes(raw[start:end], "big") for start, end in ((16, 20), (20, 24), (24, 32)))
    return Entry(raw[:16].hex(), *numbers)


def cutoff(entries: Iterable[Entry], key: str, now: float) -> int:
    """The cut-off in force for a key (0: none): the largest among those later than the last tombstone and the last reset."""
    mine = [one for one in entries if one.key in (key, EVERY_KEY) and one.live(now)]
    last = max((one.at for one in mine if one.lifts), default=-1)
    return max((one.cutoff for one in mine if not one.lifts and one.at > last), default=0)


def revoked(entries: Iterable[Entry], keys: Iterable[str], iat: int, now: float) -> bool:
    """Whether a token that may be revoked under these keys is."""
    entries = list(entries)
    return any((cut := cutoff(entries, key, now)) != 0 and iat <= cut for key in keys)


def covers(one: Entry, other: Entry) -> bool:
    """Whether, beside ``one``, ``other`` can never make a difference: a view need not hold it."""
    if one.key != other.key or one.expiry < other.expiry or one.at < other.at:
        return False
    return one.lifts or (not other.lifts and one.cutoff >= other.cutoff)


def essence(entries: Iterable[Entry], now: float) -> frozenset[Entry]:
    """What remains of a set when all that is expired or makes no difference is left out."""
    by_key: dict[str, list[Entry]] = {}
    for one in set(entries):
        if one.live(now):
            by_key.setdefault(one.key, []).append(one)
    kept: set[Entry] = set()
    for group in by_key.values():
        kept.update(other for other in group if not any(one is not other and covers(one, other) for one in group))
    return frozenset(kept)
