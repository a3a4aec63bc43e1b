from __future__ import annotations

import random

import pytest
from faults.reference import EVERY_KEY, FOREVER, Entry, cutoff, entry, essence, revoked

from bearerd._native.revocations import Revocations, pack

KEYS = ["11" * 16, "22" * 16, EVERY_KEY]


def drawn(rng: random.Random) -> Entry:
    """Small numbers, so that entries meet; under the key of all there are only resets."""
    key = rng.choice(KEYS)
    cut = 0 if key == EVERY_KEY else rng.choice([0, 5, 9, FOREVER])
    return Entry(key, cut, rng.choice([3, 8, FOREVER]), rng.randrange(6))


def packed(one: Entry) -> bytes:
    return pack(bytes.fromhex(one.key), one.cutoff, one.expiry, one.at)


def test_an_entry_is_read_as_it_is_packed() -> None:
    one = Entry("ab" * 16, 5, FOREVER, 1_700_000_000_000_123)
    assert entry(packed(one).hex()) == one


@pytest.mark.parametrize("seed", range(200))
def test_the_reference_and_the_native_table_agree(seed: int) -> None:
    rng = random.Random(seed)
    held = [drawn(rng) for _ in range(rng.randrange(8))]
    table = Revocations(100)
    table.apply(b"".join(map(packed, held)), 1)
    for now in (1, 4, 9):
        for key in KEYS[:2]:
            assert table.cutoff(bytes.fromhex(key), now) == cutoff(held, key, now)
            assert (table.revoked(bytes.fromhex(key), 6, now) == 0) == revoked(held, [key], 6, now)
            assert cutoff(essence(held, now), key, now) == cutoff(held, key, now)


@pytest.mark.parametrize("seed", range(100))
def test_the_essence_does_not_depend_on_the_order_of_arrival(seed: int) -> None:
    rng = random.Random(seed)
    held = [drawn(rng) for _ in range(8)]
    essences = set()
    for _ in range(3):
        rng.shuffle(held)
        table = Revocations(100)
        table.apply(b"".join(map(packed, held)), 1)
        exported = table.export(1)
        essences.add(essence((entry(exported[i : i + 32].hex()) for i in range(0, len(exported), 32)), 1))
    assert essences == {essence(held, 1)}
