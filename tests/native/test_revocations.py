"""native/revocations: what is in force, whatever the order in which it was told (contracts, section 5)."""

from __future__ import annotations

import importlib.util
import itertools
import random
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bearerd._native import revocations as native
from bearerd._native.revocations import EVERY_KEY, FOREVER, TOMBSTONE, Full, Revocations, pack, unpack


class Entry(NamedTuple):
    key: bytes
    cutoff: int
    expiry: int
    at: int

    @property
    def packed(self) -> bytes:
        return pack(*self)

    def live(self, now: int) -> bool:
        return self.expiry == FOREVER or self.expiry > now

    def covers(self, other: Entry) -> bool:
        """Whether ``other`` can make no difference beside it."""
        if self.key != other.key or self.expiry < other.expiry or self.at < other.at:
            return False
        return self.cutoff == TOMBSTONE or (other.cutoff != TOMBSTONE and self.cutoff >= other.cutoff)


def in_force(entries: Iterable[Entry], key: bytes, now: int) -> int:
    """The definition, read off the contract."""
    mine = [entry for entry in entries if entry.key in (key, EVERY_KEY) and entry.live(now)]
    lifted = max((entry.at for entry in mine if entry.cutoff == TOMBSTONE), default=-1)
    return max((entry.cutoff for entry in mine if entry.cutoff != TOMBSTONE and entry.at > lifted), default=0)


def kept(entries: Iterable[Entry], now: int) -> set[Entry]:
    """What a table holds of them: live, and not made idle by another."""
    live = {entry for entry in entries if entry.live(now)}
    return {entry for entry in live if not any(other != entry and other.covers(entry) for other in live)}


def unpacked(exported: bytes) -> list[Entry]:
    return [Entry(*unpack(exported[i : i + 32])) for i in range(0, len(exported), 32)]


def packed(entries: Iterable[Entry]) -> bytes:
    return b"".join(entry.packed for entry in entries)


KEYS = [bytes((number,)) * 16 for number in range(1, 5)]
SMALL = st.integers(0, 12)
ENTRIES = st.builds(
    Entry,
    key=st.sampled_from([*KEYS, EVERY_KEY]),
    cutoff=st.one_of(st.just(TOMBSTONE), st.just(FOREVER), SMALL),
    expiry=st.one_of(st.just(FOREVER), SMALL),
    at=st.one_of(SMALL, st.just((1 << 64) - 1)),
)
LISTS = st.lists(ENTRIES, max_size=30)


def same_verdicts(table: Revocations, entries: Iterable[Entry], now: int) -> None:
    for key in KEYS:
        cutoff = in_force(entries, key, now)
        assert table.cutoff(key, now) == cutoff
        for issued in (-(1 << 80), -1, 0, 1, cutoff - 1, cutoff, cutoff + 1, FOREVER, 1 << 40, 1 << 80):
            revoked = cutoff != 0 and (cutoff == FOREVER or issued <= cutoff)
            assert table.revoked(key, issued, now) == (0 if revoked else -1)


# ---- entries as bytes ----


@given(
    st.binary(min_size=16, max_size=16), st.integers(0, FOREVER), st.integers(0, FOREVER), st.integers(0, (1 << 64) - 1)
)
def test_an_entry_is_key_cutoff_expiry_at_in_network_order(key: bytes, cutoff: int, expiry: int, at: int) -> None:
    entry = pack(key, cutoff, expiry, at)
    assert entry == struct.pack(">16sIIQ", key, cutoff, expiry, at)
    assert unpack(entry) == (key, cutoff, expiry, at)


@pytest.mark.parametrize(
    "wrong",
    [
        (bytes(15), 0, 1, 0),
        (bytes(17), 0, 1, 0),
        (bytes(16), -1, 1, 0),
        (bytes(16), 1 << 32, 1, 0),
        (bytes(16), 0, 1 << 32, 0),
        (bytes(16), 0, -1, 0),
        (bytes(16), 0, 1, 1 << 64),
        (bytes(16), 0, 1, -1),
    ],
)
def test_what_does_not_fit_an_entry_is_refused_not_cut(wrong: tuple[bytes, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"bits|bytes"):
        pack(*wrong)


@pytest.mark.parametrize("size", [1, 15, 31, 33, 63])
def test_bytes_that_are_no_whole_entries_or_keys_are_refused(size: int) -> None:
    table = Revocations(10)
    for ask in (
        lambda: table.apply(bytes(size), 0),
        lambda: table.revoked(bytes(size), 0, 0),
        lambda: unpack(bytes(size)),
    ):
        with pytest.raises(ValueError, match="bytes"):
            ask()
    with pytest.raises(ValueError, match="16 bytes"):
        table.cutoff(bytes(size), 0)
    assert len(table) == 0


# ---- verdicts ----


@given(LISTS, SMALL, SMALL)
def test_verdicts_are_those_of_the_definition_now_and_later(entries: list[Entry], now: int, later: int) -> None:
    table = Revocations(100)
    assert table.apply(packed(entries), now) >= len(kept(entries, now))
    known = [entry for entry in entries if entry.live(now)]
    for time in (now, now + later, 1 << 40):
        same_verdicts(table, known, time)
    assert set(unpacked(table.export(now))) == kept(entries, now)
    assert len(table) == len(kept(entries, now))
    assert table.latest_at() == max((entry.at for entry in known), default=0)


@given(LISTS, SMALL, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(entries: list[Entry], now: int, chance: random.Random) -> None:
    one, other = Revocations(100), Revocations(100)
    one.apply(packed(entries), now)
    twice = [*entries, *entries]
    chance.shuffle(twice)
    for entry in twice:
        other.apply(entry.packed, now)
    assert one.export(now) == other.export(now)
    assert one.latest_at() == other.latest_at()
    before = one.sequence
    assert one.apply(packed(twice), now) == 0
    assert one.sequence == before


@given(LISTS, SMALL)
def test_the_index_is_that_of_the_first_key_in_force(entries: list[Entry], issued: int) -> None:
    table = Revocations(100)
    table.apply(packed(entries), 0)
    known = [entry for entry in entries if entry.live(0)]
    for order in itertools.permutations(KEYS):
        first = next((i for i, key in enumerate(order) if 0 < in_force(known, key, 0) >= issued), -1)
        assert table.revoked(b"".join(order), issued, 0) == first
    assert table.revoked(b"", issued, 0) == -1


@pytest.fixture(scope="module")
def model() -> ModuleType:
    path = Path(__file__).parent.parent.parent / "docs" / "protocol_model.py"
    spec = importlib.util.spec_from_file_location("protocol_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["protocol_model"] = module
    spec.loader.exec_module(module)
    return module


@settings(max_examples=200)
@given(entries=LISTS, now=SMALL)
def test_verdicts_are_those_of_the_protocol_model(model: ModuleType, entries: list[Entry], now: int) -> None:
    """Its cut-off of a key, at a tie of ``at`` the tombstone (in the model the sequence decides, which is later)."""
    table = Revocations(100)
    table.apply(packed(entries), 0)
    cutoff = {TOMBSTONE: model.TOMB, FOREVER: model.INF}
    name = {EVERY_KEY: model.ALL}
    view = {
        number: model.E(
            name.get(entry.key, entry.key),
            cutoff.get(entry.cutoff, entry.cutoff),
            model.INF if entry.expiry == FOREVER else entry.expiry,
            entry.at,
            0,
            number,
        )
        for number, entry in enumerate(entries)
        if entry.live(0)
    }
    here = SimpleNamespace(F={"noseqtie"}, now=now)
    for key in KEYS:
        told = model.Model.cutoff(here, SimpleNamespace(view=view, off=0), key)
        assert table.cutoff(key, now) == {model.NONE: 0, model.INF: FOREVER}.get(told, told)


def test_a_tie_goes_to_the_tombstone() -> None:
    for order in itertools.permutations([Entry(KEYS[0], FOREVER, FOREVER, 7), Entry(KEYS[0], TOMBSTONE, FOREVER, 7)]):
        table = Revocations(10)
        table.apply(packed(order), 0)
        assert table.revoked(KEYS[0], 0, 0) == -1


def test_a_reset_lifts_what_came_before_it_and_nothing_after() -> None:
    table = Revocations(10)
    table.apply(packed([Entry(KEYS[0], FOREVER, FOREVER, 5), Entry(KEYS[1], FOREVER, FOREVER, 9)]), 0)
    table.apply(pack(EVERY_KEY, TOMBSTONE, FOREVER, 7), 0)
    assert table.revoked(KEYS[0], 0, 0) == -1
    assert table.revoked(KEYS[1], 0, 0) == 0
    assert table.apply(pack(KEYS[2], FOREVER, FOREVER, 6), 0) == 1  # late news of an old revocation
    assert table.revoked(KEYS[2], 0, 0) == -1


def test_what_a_tombstone_hid_is_in_force_when_the_tombstone_lapses() -> None:
    table = Revocations(10)
    table.apply(packed([Entry(KEYS[0], FOREVER, 20, 5), Entry(KEYS[0], TOMBSTONE, 10, 7)]), 0)
    assert [table.revoked(KEYS[0], 0, now) for now in (9, 10, 19, 20)] == [-1, 0, 0, -1]


def test_each_tombstone_that_makes_a_difference_is_counted() -> None:
    table, lift = Revocations(10), pack(KEYS[0], TOMBSTONE, FOREVER, 7)
    table.apply(pack(KEYS[0], FOREVER, FOREVER, 5), 0)
    assert table.lifts == 0
    table.apply(lift + pack(EVERY_KEY, TOMBSTONE, FOREVER, 8), 0)
    assert table.lifts == 2
    table.apply(lift, 0)
    assert table.lifts == 2


# ---- bounds ----


@given(LISTS, LISTS, st.integers(1, 12))
def test_full_changes_nothing(before: list[Entry], more: list[Entry], most: int) -> None:
    table = Revocations(most)
    for entry in before:
        try:
            table.apply(entry.packed, 0)
        except Full:
            continue
    held, sequence, latest = table.export(0), table.sequence, table.latest_at()
    expected = kept([*unpacked(held), *more], 0)
    if len(expected) > most:
        with pytest.raises(Full):
            table.apply(packed(more), 0)
        assert (table.export(0), table.sequence, table.latest_at()) == (held, sequence, latest)
    else:
        table.apply(packed(more), 0)
        assert set(unpacked(table.export(0))) == expected
    assert len(table) <= most
    same_verdicts(table, unpacked(table.export(0)), 0)


def test_at_the_limit_the_expired_make_room() -> None:
    table = Revocations(3)
    table.apply(packed([Entry(key, FOREVER, 10 + i, 1) for i, key in enumerate(KEYS[:3])]), 0)
    with pytest.raises(Full):
        table.apply(pack(KEYS[3], FOREVER, 50, 1), 9)
    assert table.apply(pack(KEYS[3], FOREVER, 50, 1), 10) == 1
    assert len(table) == 3
    assert [table.revoked(key, 0, 10) for key in KEYS] == [-1, 0, 0, 0]
    with pytest.raises(Full):
        table.apply(pack(KEYS[0], FOREVER, 50, 2), 10)
    assert table.apply(pack(KEYS[0], FOREVER, 50, 2), 11) == 1
    assert [table.revoked(key, 0, 11) for key in KEYS] == [0, -1, 0, 0]


def test_one_subject_revoked_ever_again_is_one_entry() -> None:
    """Else whoever may revoke could make each probe of a key as long as his patience."""
    table = Revocations(100)
    for second in range(1, 5000):
        assert table.apply(pack(KEYS[0], second + 2, second + 93_600, second * 1_000_000), second) == 1
    assert unpacked(table.export(0)) == [Entry(KEYS[0], 5001, 98_599, 4_999_000_000)]


@pytest.mark.parametrize("wrong", [0, -1, 1 << 31])
def test_the_limit_is_sane(wrong: int) -> None:
    with pytest.raises(ValueError, match="max_entries"):
        Revocations(wrong)


# ---- time ----


def test_the_sequence_grows_when_a_lapsed_tombstone_may_matter() -> None:
    table = Revocations(10)
    table.apply(packed([Entry(KEYS[0], FOREVER, 20, 5), Entry(KEYS[0], TOMBSTONE, 10, 7)]), 0)
    before = table.sequence
    table.expire(9, 0)
    assert table.sequence == before
    table.expire(10, 0)
    assert table.sequence > before


def test_looking_at_nothing_is_no_round_of_expiry() -> None:
    table = Revocations(10)
    table.apply(packed([Entry(KEYS[0], FOREVER, 20, 5), Entry(KEYS[0], TOMBSTONE, 10, 7)]), 0)
    for _ in range(3):
        table.expire(9, 0)
    before = table.sequence
    table.expire(10, 0)
    assert table.sequence > before


def test_the_sequence_rests_once_all_lapsed_tombstones_are_known() -> None:
    table = Revocations(10)
    table.apply(packed([Entry(KEYS[0], TOMBSTONE, 10, 7), Entry(KEYS[1], TOMBSTONE, 30, 7)]), 0)
    table.expire(10, 1 << 20)
    table.expire(11, 1 << 20)
    rested = table.sequence
    for now in range(12, 30):
        table.expire(now, 1 << 20)
        assert table.sequence == rested
    table.expire(30, 0)
    assert table.sequence > rested


def test_the_sequence_grows_when_the_clock_is_set_back() -> None:
    table = Revocations(10)
    table.expire(100, 0)
    before = table.sequence
    table.expire(99, 0)
    assert table.sequence > before


def test_no_two_tables_share_a_sequence() -> None:
    tables = [Revocations(10) for _ in range(5)]
    seen = [table.sequence for table in tables]
    for number, table in enumerate(tables):
        table.apply(pack(KEYS[0], FOREVER, FOREVER, number), 0)
        seen.append(table.sequence)
    assert len(set(seen)) == len(seen)


class Machine(RuleBasedStateMachine):
    """Time runs on, entries come, expire in parts, are paged and exported; the definition is never contradicted."""

    @initialize(most=st.integers(20, 60))
    def start(self, most: int) -> None:
        self.table = Revocations(most)
        self.most = most
        self.now = 0
        self.known: set[Entry] = set()
        self.allowed: dict[tuple[bytes, int], int] = {}

    @rule(entries=st.lists(ENTRIES, max_size=8), ahead=SMALL)
    def apply(self, entries: list[Entry], ahead: int) -> None:
        entries = [
            entry if entry.expiry == FOREVER else entry._replace(expiry=self.now + entry.expiry + ahead // 4)
            for entry in entries
        ]
        live = [entry for entry in entries if entry.live(self.now)]
        try:
            self.table.apply(packed(entries), self.now)
        except Full:
            assert len(kept(self.known | set(live), self.now)) > self.most
        else:
            self.known.update(live)

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(budget=st.integers(0, 2000))
    def expire(self, budget: int) -> None:
        before = len(self.table)
        assert self.table.expire(self.now, budget) == before - len(self.table)

    @rule(budget=st.integers(1, 3000), more=st.lists(ENTRIES, max_size=3))
    def page(self, budget: int, more: list[Entry]) -> None:
        before = kept(self.known, self.now)
        told: list[Entry] = []
        position = 0
        while True:
            found, position = self.table.page(self.now, position, budget)
            told += unpacked(found)
            if position == 0:
                break
            self.apply(more, 0)
        assert before & kept(self.known, self.now) <= set(told)
        assert len(told) == len(set(told)) or more

    @invariant()
    def nothing_contradicts_the_definition(self) -> None:
        self.known = {entry for entry in self.known if entry.live(self.now)}
        same_verdicts(self.table, self.known, self.now)
        assert set(unpacked(self.table.export(self.now))) == kept(self.known, self.now)

    @invariant()
    def an_unchanged_sequence_means_that_nobody_became_revoked(self) -> None:
        self.table.expire(self.now, 0)
        for key in KEYS:
            for issued in (0, 3, 1 << 33):
                if self.table.revoked(key, issued, self.now) < 0:
                    self.allowed[key, issued] = self.table.sequence
                else:
                    assert self.allowed.get((key, issued)) != self.table.sequence


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=25)


def test_stubs_of_other_modules_can_rely_on_these_names() -> None:
    assert (32, bytes(16)) == (native.ENTRY_SIZE, native.EVERY_KEY)
    assert (native.FOREVER, native.TOMBSTONE) == (0xFFFFFFFF, 0)
