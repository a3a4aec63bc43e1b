"""native/slots, through the table of revocations: growing and shrinking never lose, double or hide an entry."""

from __future__ import annotations

import hashlib
import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bearerd._native.revocations import FOREVER, Full, Revocations, pack, unpack

SEGMENT = 1024 * 33  # bytes: entries, and a mark for each home
SLACK = 4 * SEGMENT  # a segment begun in each area, directories


def key_of(number: int) -> bytes:
    return hashlib.md5(b"%d" % number).digest()


class Held:
    """A table and what it must hold: for each key its entries by ``at``."""

    def __init__(self) -> None:
        self.table = Revocations(1 << 20)
        self.expiries: dict[int, int] = {}  # number -> expiry
        self.now = 0

    def add(self, numbers: range, expiry: int) -> None:
        new = [number for number in numbers if number not in self.expiries]
        entries = b"".join(pack(key_of(number), FOREVER, expiry, number + 1) for number in new)
        assert self.table.apply(entries, self.now) == len(new)
        self.expiries.update(dict.fromkeys(new, expiry))

    def live(self) -> set[int]:
        return {number for number, expiry in self.expiries.items() if expiry > self.now}

    def check(self, probes: int = 1 << 20) -> None:
        live = self.live()
        for number in list(self.expiries)[:probes]:
            assert self.table.revoked(key_of(number), 0, self.now) == (0 if number in live else -1)
        for number in range(-50, 0):
            assert self.table.revoked(key_of(number), 0, self.now) == -1
        exported = self.table.export(self.now)
        assert [unpack(exported[i : i + 32])[3] - 1 for i in range(0, len(exported), 32)] == sorted(live)
        # Few share an eighth of a home, and some may stand behind a home that is given up.
        assert 0.7 * len(self.table) - 10 <= self.table.marks() <= len(self.table)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "add", "wait", "expire"]), st.integers(1, 1500), st.integers(1, 6)),
        min_size=4,
        max_size=14,
    )
)
def test_whatever_comes_and_lapses_the_table_holds_what_it_must(steps: list[tuple[str, int, int]]) -> None:
    held, first = Held(), 0
    for what, number, time in steps:
        if what == "add":
            held.add(range(first, first + number), held.now + time)
            first += number
        elif what == "wait":
            held.now += time // 2 + 1
        else:
            held.table.expire(held.now, number)
        held.check(300)
    held.check()


def test_every_step_of_growing_and_shrinking_is_a_whole_table() -> None:
    held = Held()
    for start in range(0, 3000, 7):
        held.add(range(start, start + 7), 10 + start % 5)
        if start % 35 == 0:
            held.check(60)
    held.check()
    for held.now in range(10, 16):
        while len(held.table) > len(held.live()):
            held.table.expire(held.now, 40)
            held.check(60)
    assert len(held.table) == held.table.marks() == 0


def test_the_table_grows_a_segment_at_a_time_and_shrinks_to_where_it_began() -> None:
    table = Revocations(1 << 20)
    began = table.memory()
    size = 0
    for number in range(30_000):
        table.apply(pack(key_of(number), FOREVER, 10, 1), 0)
        grown, size = table.memory() - size, table.memory()
        assert grown <= SLACK  # never a doubling: nothing pauses for the size of the table
    assert size <= 30_000 * 33 / 0.78 + SLACK
    while len(table):
        table.expire(10, 500)
    for _ in range(200):
        table.expire(10, 500)
    assert table.memory() <= began + 2 * SEGMENT
    assert table.marks() == 0  # else what is long gone would be looked for in vain


def test_a_step_of_expiry_is_bounded_by_its_budget() -> None:
    table = Revocations(1 << 20)
    table.apply(b"".join(pack(key_of(number), FOREVER, 10, 1) for number in range(5000)), 0)
    dropped = [table.expire(10, 100) for _ in range(200)]
    assert max(dropped) <= 100
    assert sum(dropped) == 5000


@pytest.mark.parametrize("length", [1, 50, 1500, 3000])
def test_a_long_run_of_one_key_moves_whole(length: int) -> None:
    """Entries of one key none of which makes another idle: the later, the smaller the cut-off."""
    table = Revocations(1 << 20)
    runs = [key_of(-number) for number in range(1, 5)]
    for at in range(1, length + 1):
        for key in runs:
            table.apply(pack(key, 100_000 - at, FOREVER, at), 0)
    for number in range(4000):
        table.apply(pack(key_of(number), FOREVER, 10, 1), 0)
        if number % 200 == 0:
            assert [table.cutoff(key, 0) for key in runs] == [99_999] * 4
            assert len(table) == 4 * length + number + 1
    while len(table) > 4 * length:
        table.expire(10, 300)
        assert [table.cutoff(key, 0) for key in runs] == [99_999] * 4
    for key in runs:  # lifted half way: what is left is the largest later cut-off
        table.apply(pack(key, 0, FOREVER, length // 2), 0)
        assert table.cutoff(key, 0) == 99_999 - length // 2
    assert len(table) == 4 * (length - length // 2 + 1)


def test_a_page_never_ends_within_a_run() -> None:
    table = Revocations(1 << 20)
    for at in range(1, 400):
        table.apply(pack(key_of(0), 1000 - at, FOREVER, at), 0)
    table.apply(b"".join(pack(key_of(number), FOREVER, FOREVER, 1) for number in range(1, 301)), 0)
    told: list[bytes] = []
    position = pages = 0
    while pages == 0 or position:
        found, position = table.page(0, position, 10)
        told += [found[i : i + 32] for i in range(0, len(found), 32)]
        pages += 1
    assert len(told) == len(set(told)) == 699
    assert pages >= 30


def test_the_place_of_an_entry_is_a_secret_of_its_table() -> None:
    """Who could choose keys that fall together could make every probe walk over them."""
    tables = [Revocations(1000) for _ in range(2)]
    for table in tables:
        table.apply(b"".join(pack(key_of(number), FOREVER, FOREVER, 1) for number in range(500)), 0)
    one, other = (table.page(0, 0, 1 << 20)[0] for table in tables)
    assert one != other
    assert tables[0].export(0) == tables[1].export(0)


class Told(NamedTuple):
    """An entry without its key."""

    cutoff: int
    expiry: int
    at: int

    def covers(self, other: Told) -> bool:
        """Whether the other one makes no difference beside it."""
        if self.expiry < other.expiry or self.at < other.at:
            return False
        return self.cutoff == 0 or 0 < other.cutoff <= self.cutoff


class Model:
    """What a table must hold, and what it must say: a plain dictionary of lists."""

    def __init__(self, seed: int, most: int, keys: int) -> None:
        self.random = random.Random(seed)
        self.table = Revocations(most)
        self.keys = [self.random.randbytes(16) for _ in range(keys)]
        self.held: dict[bytes, list[Told]] = {}
        self.now, self.at, self.full = 10, 1, 0

    def told(self, hot: int) -> tuple[bytes, Told]:
        """Of one key of the first ``hot``: a revocation, a tombstone or a dated cut-off, late or early."""
        draw = self.random
        self.at += draw.random() < 0.9
        at = self.at if draw.random() < 0.8 else draw.randrange(1, self.at + 1)
        expiry = FOREVER if draw.random() < 0.02 else self.now + draw.randrange(40)
        cutoff = draw.choice((FOREVER, FOREVER, 0, 100_000 - self.at % 90_000))
        return self.keys[draw.randrange(hot)], Told(cutoff, expiry, at)

    def apply(self, told: list[tuple[bytes, Told]]) -> None:
        before = self.table.export(self.now)
        try:
            self.table.apply(b"".join(pack(key, *one) for key, one in told), self.now)
        except Full:
            self.full += 1
            assert self.table.export(self.now) == before
            return
        for key, one in told:
            mine = self.held.setdefault(key, [])
            if one.expiry > self.now and not any(other.covers(one) for other in mine):
                mine[:] = [*(other for other in mine if not one.covers(other)), one]

    def in_force(self, key: bytes) -> int:
        live = [one for one in self.held.get(key, ()) if one.expiry > self.now]
        lifted = max((one.at for one in live if one.cutoff == 0), default=-1)
        return max((one.cutoff for one in live if one.at > lifted), default=0)

    def check(self, keys: list[bytes]) -> None:
        for key in keys:
            cutoff = self.in_force(key)
            assert self.table.cutoff(key, self.now) == cutoff
            assert self.table.revoked(key, cutoff, self.now) == (0 if cutoff else -1)  # by the marks
        revoked = [i for i, key in enumerate(keys) if self.in_force(key)]
        assert self.table.revoked(b"".join(keys), 0, self.now) == (revoked[0] if revoked else -1)

    def check_all(self) -> None:
        told, position, more = [], 0, True
        while more:
            page, position = self.table.page(self.now, position, 500)
            told += [page[i : i + 32] for i in range(0, len(page), 32)]
            more = position != 0
        live = [pack(key, *one) for key, mine in self.held.items() for one in mine if one.expiry > self.now]
        assert sorted(told) == sorted(live)
        assert self.table.marks() <= len(self.table)
        self.check(self.keys)


@pytest.mark.parametrize(
    ("most", "keys", "hot"),
    [(30, 90, 90), (1800, 3000, 3000), (1 << 20, 9000, 9000), (1 << 20, 40, 6)],
    ids=["tiny", "full", "large", "long runs"],
)
def test_a_table_says_what_a_dictionary_says(most: int, keys: int, hot: int) -> None:
    """Entries that come, lapse, are lifted and taken back, in any order and while the table grows and shrinks."""
    model = Model(most + keys, most, keys)
    draw = model.random
    for step in range(400):
        if step % 50 < 30:
            told = [model.told(hot) for _ in range(draw.choice((1, 3, 20, 300)))]
            model.apply(told)
            model.check([key for key, _ in told[-40:]])
        else:
            model.now += draw.randrange(3)
            model.table.expire(model.now, draw.choice((0, 7, 100, 1000)))
        model.check(draw.sample(model.keys, 20))
        if step % 40 == 0:
            model.check_all()
    model.check_all()
    assert (model.full > 0) == (most < keys)
