"""native/tokens: what is known of a token's exact bytes, and for how long it may be said."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bearerd._native.digest import keyed128
from bearerd._native.generations import Generations
from bearerd._native.revocations import FOREVER, TOMBSTONE, Revocations, pack
from bearerd._native.tokens import Found, TokenCache

OVERHEAD = 88 + 8 + 4  # a record, its allocation's address, a chain
KEYS = [bytes((number,)) * 16 for number in range(1, 6)]
TOKENS = [b"header.payload-%d.signature" % number for number in range(14)]


def cost(record: bytes, probes: bytes) -> int:
    """Bytes of an entry as glibc rounds its allocation."""
    return max(32, (len(record) + len(probes) + 8 + 15) & ~15) + OVERHEAD


class Cache:
    """A cache with what it is asked with, and defaults for what a test is not about."""

    def __init__(self, entries: int = 100, size: int = 1 << 20) -> None:
        self.cache = TokenCache(entries, size)
        self.generations = Generations()
        self.revocations = Revocations(1000)
        self.wall, self.boot = 1000.0, 50.0

    def put(self, token: bytes = b"token", record: bytes = b"record", **changed: Any) -> None:
        values: dict[str, Any] = {
            "issuer": 0,
            "key_generation": self.generations.key_set(0),
            "config_generation": self.generations.config,
            "issued_at": 900,
            "until_wall": 2000.0,
            "until_boot": 1050.0,
            "probes": b"",
        }
        self.cache.put(token, record, **{**values, **changed})

    def find(self, token: bytes = b"token") -> tuple[Found, bytes | None]:
        return self.cache.find(token, self.wall, self.boot, self.generations, self.revocations)

    def revoke(self, key: bytes, cutoff: int = FOREVER, expiry: int = FOREVER, at: int = 1) -> None:
        assert self.revocations.apply(pack(key, cutoff, expiry, at), int(self.wall)) == 1


# ---- each thing that can be found ----


def test_a_token_that_was_never_put_is_a_miss() -> None:
    assert Cache().find() == (Found.MISS, None)


def test_a_known_token_is_a_hit_with_its_record() -> None:
    cache = Cache()
    cache.put(record=bytes(range(256)) * 9)
    assert cache.find() == (Found.HIT, bytes(range(256)) * 9)


def test_only_the_exact_bytes_are_known() -> None:
    """A decision for one token must never answer for another, however alike (G4)."""
    cache = Cache()
    cache.put(b"header.payload.signature")
    others = {b"", b"header.payload.signature\0", b"header.payload.signatur", b"Header.payload.signature", b"\0" * 24}
    others |= {bytes(b ^ int(i == j) for j, b in enumerate(b"header.payload.signature")) for i in range(24)}
    assert {cache.find(token) for token in others} == {(Found.MISS, None)}
    assert cache.find(b"header.payload.signature")[0] is Found.HIT


@pytest.mark.parametrize(
    ("wall", "boot"),
    [
        (2000.0, 50.0),
        (1000.0, 1050.0),
        (math.inf, 50.0),
        (1000.0, math.inf),
        (math.nan, 50.0),
        (1000.0, math.nan),
        (-1e9, 1050.0),  # a wall clock that was set back revives nothing
    ],
)
def test_by_either_clock_an_expired_token_is_gone(wall: float, boot: float) -> None:
    cache = Cache()
    cache.put()
    cache.wall, cache.boot = wall, boot
    assert cache.find() == (Found.EXPIRED, None)
    assert cache.cache.entries == 0
    cache.wall, cache.boot = 1000.0, 50.0
    assert cache.find() == (Found.MISS, None)


def test_a_token_is_known_to_the_last_moment_by_both_clocks() -> None:
    cache = Cache()
    cache.put()
    cache.wall, cache.boot = math.nextafter(2000.0, 0), math.nextafter(1050.0, 0)
    assert cache.find()[0] is Found.HIT


@pytest.mark.parametrize(("until_wall", "until_boot"), [(math.nan, 1e9), (1e9, math.nan), (-math.inf, 1e9)])
def test_an_end_that_is_no_time_has_come(until_wall: float, until_boot: float) -> None:
    cache = Cache()
    cache.put(until_wall=until_wall, until_boot=until_boot)
    assert cache.find()[0] is Found.EXPIRED


def test_under_another_configuration_a_token_is_gone() -> None:
    cache = Cache()
    cache.put()
    cache.generations.config += 1
    assert cache.find() == (Found.CONFIG_CHANGED, None)
    assert cache.find() == (Found.MISS, None)


def test_under_other_keys_of_its_issuer_a_token_must_be_renewed() -> None:
    cache = Cache()
    cache.put(issuer=3, key_generation=0)
    cache.generations.bump_key_set(2)
    assert cache.find()[0] is Found.HIT
    cache.generations.bump_key_set(3)
    assert cache.find() == (Found.KEYS_CHANGED, b"record")
    assert cache.find() == (Found.KEYS_CHANGED, b"record")
    cache.cache.renew(b"token", 1)
    assert cache.find() == (Found.HIT, b"record")
    cache.cache.renew(b"token", 0)  # of an older set: still not the present one
    assert cache.find()[0] is Found.KEYS_CHANGED
    cache.put(issuer=3, key_generation=2)  # of one yet to come: nor that
    assert cache.find()[0] is Found.KEYS_CHANGED
    cache.cache.renew(b"unknown", 1)
    assert cache.cache.entries == 1


def test_a_revoked_token_stays_and_says_so_each_time() -> None:
    cache = Cache()
    cache.put(probes=KEYS[0] + KEYS[1])
    assert cache.find()[0] is Found.HIT
    cache.revoke(KEYS[1])
    for _ in range(3):
        assert cache.find() == (Found.REVOKED, b"record")
    assert cache.cache.entries == 1


@pytest.mark.parametrize(("cutoff", "found"), [(899, Found.HIT), (900, Found.REVOKED), (FOREVER, Found.REVOKED)])
def test_a_cutoff_revokes_what_was_issued_no_later(cutoff: int, found: Found) -> None:
    cache = Cache()
    cache.put(issued_at=900, probes=KEYS[0])
    cache.revoke(KEYS[0], cutoff)
    assert cache.find()[0] is found


@pytest.mark.parametrize("issued_at", [-(1 << 80), -1, 1 << 33, 1 << 80])
def test_an_absurd_time_of_issue_is_compared_not_cut(issued_at: int) -> None:
    cache = Cache()
    cache.put(issued_at=issued_at, probes=KEYS[0])
    cache.revoke(KEYS[0], 1000)
    assert cache.find()[0] is (Found.REVOKED if issued_at < 0 else Found.HIT)
    cache.revoke(KEYS[0], FOREVER, at=2)
    assert cache.find()[0] is Found.REVOKED


def test_a_lift_and_the_end_of_a_revocation_count_at_once() -> None:
    cache = Cache()
    cache.put(probes=KEYS[0])
    cache.revoke(KEYS[0], expiry=1010)
    assert cache.find()[0] is Found.REVOKED
    cache.wall = 1010.0
    assert cache.find()[0] is Found.HIT
    cache.revoke(KEYS[0], at=5)
    assert cache.find()[0] is Found.REVOKED
    cache.revoke(KEYS[0], TOMBSTONE, at=6)
    assert cache.find()[0] is Found.HIT


def test_what_a_tombstone_hid_counts_when_it_lapses_though_nobody_told() -> None:
    cache = Cache()
    cache.put(probes=KEYS[0])
    cache.revoke(KEYS[0], at=1)
    cache.revoke(KEYS[0], TOMBSTONE, expiry=1010, at=2)
    cache.wall = 1009.9
    assert cache.find()[0] is Found.HIT
    cache.wall = 1010.0
    assert cache.find()[0] is Found.REVOKED


def test_a_revocation_that_had_ended_counts_again_when_the_clock_is_set_back() -> None:
    cache = Cache()
    cache.put(probes=KEYS[0])
    cache.revoke(KEYS[0], expiry=1010)
    cache.wall = 1010.0
    assert cache.find()[0] is Found.HIT
    cache.wall = 1009.0
    assert cache.find()[0] is Found.REVOKED


def test_a_verdict_of_one_table_is_not_taken_for_another() -> None:
    cache = Cache()
    cache.put(probes=KEYS[0])
    assert cache.find()[0] is Found.HIT
    for other in range(3):
        cache.revocations = Revocations(10)
        cache.revoke(KEYS[0 if other else 1])
        assert cache.find()[0] is (Found.REVOKED if other else Found.HIT)


@pytest.mark.parametrize("position", range(16))
def test_every_probe_is_asked(position: int) -> None:
    cache = Cache()
    probes = [os.urandom(16) for _ in range(16)]
    cache.put(probes=b"".join(probes))
    assert cache.find()[0] is Found.HIT
    cache.revoke(probes[position])
    assert cache.find() == (Found.REVOKED, b"record")


# ---- keeping ----


def test_what_is_put_again_replaces_what_was() -> None:
    cache = Cache()
    cache.put(record=b"old" * 500, probes=KEYS[0])
    cache.revoke(KEYS[0])
    cache.put(record=b"new", probes=KEYS[1])
    assert cache.find() == (Found.HIT, b"new")
    assert (cache.cache.entries, cache.cache.bytes) == (1, cost(b"new", KEYS[1]))


def test_a_dropped_token_is_gone_and_a_stranger_is_nobodys_loss() -> None:
    cache = Cache()
    cache.put()
    cache.cache.drop(b"stranger")
    assert cache.find()[0] is Found.HIT
    cache.cache.drop(b"token")
    assert cache.find() == (Found.MISS, None)
    assert (cache.cache.entries, cache.cache.bytes) == (0, 0)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"issuer": -1}, ValueError),
        ({"issuer": 1 << 16}, ValueError),
        ({"probes": bytes(15)}, ValueError),
        ({"probes": bytes(17 * 16)}, ValueError),
        ({"key_generation": 1 << 32}, OverflowError),
        ({"config_generation": -1}, OverflowError),
        ({"until_wall": "soon"}, TypeError),
        ({"record": None}, TypeError),
        ({"token": bytearray(b"token")}, TypeError),
    ],
)
def test_what_does_not_fit_is_refused_not_cut(wrong: dict[str, Any], error: type[Exception]) -> None:
    cache = Cache()
    cache.put()
    with pytest.raises(error):
        cache.put(**wrong)
    assert cache.find()[0] is Found.HIT


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0), (-1, 1), (1, -1), (1 << 31, 1)])
def test_limits_are_sane(wrong: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="max_"):
        TokenCache(*wrong)


def test_an_entry_larger_than_the_cache_is_not_kept_and_evicts_nobody() -> None:
    cache = Cache(size=1000)
    cache.put(b"small")
    cache.put(b"large", bytes(1000))
    assert cache.find(b"large") == (Found.MISS, None)
    assert cache.find(b"small")[0] is Found.HIT
    assert cache.cache.evictions == 0
    cache.put(b"small", bytes(1000))  # what these bytes had before is not theirs any more
    assert cache.find(b"small") == (Found.MISS, None)


@pytest.mark.parametrize("evicted", range(6))
def test_the_least_recently_used_goes_first(evicted: int) -> None:
    cache = Cache(entries=5)
    for name in (b"a", b"b", b"c", b"d", b"e"):
        cache.put(name)
    for name in (b"b", b"a", b"d"):
        cache.find(name)
    cache.put(b"b", b"anew")
    order = [b"c", b"e", b"a", b"d", b"b"]
    for number in range(evicted):
        cache.put(b"new %d" % number)
    assert [name for name in order if cache.find(name)[0] is Found.HIT] == order[evicted:]
    assert cache.cache.evictions == evicted


class Machine(RuleBasedStateMachine):
    """A cache beside a dict in order of use; time, generations and revocations move; every look-up must agree."""

    @initialize(entries=st.integers(1, 12), size=st.integers(200, 2500))
    def start(self, entries: int, size: int) -> None:
        self.cache = TokenCache(entries, size)
        self.generations = Generations()
        self.revocations = Revocations(1000)
        self.most = entries
        self.size = size
        self.wall, self.boot, self.at = 100, 10, 0
        self.known: dict[bytes, dict[str, Any]] = {}  # the least recently used first
        self.clock = self.hits = self.misses = self.evictions = 0

    def bytes_held(self) -> int:
        return sum(cost(entry["record"], entry["probes"]) for entry in self.known.values())

    def use(self, token: bytes) -> None:
        """To the end, unless it is among the newest eighth."""
        entry = self.known[token]
        if self.clock - entry["used"] >= len(self.known) // 8 and token != list(self.known)[-1]:
            self.clock += 1
            entry["used"] = self.clock
            self.known[token] = self.known.pop(token)

    @rule(
        token=st.sampled_from(TOKENS),
        length=st.integers(0, 400),
        issuer=st.integers(0, 2),
        ends=st.tuples(st.integers(1, 30), st.integers(1, 30)),
        probes=st.lists(st.sampled_from(KEYS), max_size=3),
        issued=st.integers(95, 105),
    )
    def put(
        self, token: bytes, length: int, issuer: int, ends: tuple[int, int], probes: list[bytes], issued: int
    ) -> None:
        entry: dict[str, Any] = {
            "record": token + bytes(length),
            "issuer": issuer,
            "key_generation": self.generations.key_set(issuer),
            "config_generation": self.generations.config,
            "issued_at": issued,
            "until_wall": float(self.wall + ends[0]),
            "until_boot": float(self.boot + ends[1]),
            "probes": b"".join(probes),
        }
        self.cache.put(token, **entry)
        self.known.pop(token, None)
        needed = cost(entry["record"], entry["probes"])
        if needed > self.size:
            return
        while len(self.known) >= self.most or self.bytes_held() + needed > self.size:
            del self.known[next(iter(self.known))]
            self.evictions += 1
        self.clock += 1
        self.known[token] = {**entry, "used": self.clock}

    def expected(self, token: bytes) -> tuple[Found, object]:
        entry = self.known.get(token)
        if entry is None:
            return Found.MISS, None
        if self.wall >= entry["until_wall"] or self.boot >= entry["until_boot"]:
            return Found.EXPIRED, None
        if entry["config_generation"] != self.generations.config:
            return Found.CONFIG_CHANGED, None
        if entry["key_generation"] != self.generations.key_set(entry["issuer"]):
            return Found.KEYS_CHANGED, entry["record"]
        revoked = self.revocations.revoked(entry["probes"], entry["issued_at"], self.wall)
        return Found.REVOKED if revoked >= 0 else Found.HIT, entry["record"]

    @rule(token=st.sampled_from(TOKENS))
    def find(self, token: bytes) -> None:
        found, record = self.expected(token)
        assert self.cache.find(token, float(self.wall), float(self.boot), self.generations, self.revocations) == (
            found,
            record,
        )
        self.hits += found in (Found.HIT, Found.REVOKED)
        if found in (Found.MISS, Found.EXPIRED, Found.CONFIG_CHANGED):
            self.misses += 1
            self.known.pop(token, None)
        else:
            self.use(token)

    @rule(wall=st.integers(-5, 8), boot=st.integers(0, 8))
    def wait(self, wall: int, boot: int) -> None:
        self.wall += wall
        self.boot += boot

    @rule(
        key=st.sampled_from(KEYS),
        cutoff=st.one_of(st.just(TOMBSTONE), st.just(FOREVER), st.integers(95, 105)),
        life=st.one_of(st.none(), st.integers(1, 20)),
    )
    def revoke(self, key: bytes, cutoff: int, life: int | None) -> None:
        self.at += 1
        self.revocations.apply(pack(key, cutoff, FOREVER if life is None else self.wall + life, self.at), self.wall)

    @rule(budget=st.integers(0, 2000))
    def expire(self, budget: int) -> None:
        self.revocations.expire(self.wall, budget)

    @rule()
    def reload(self) -> None:
        self.generations.config += 1

    @rule(issuer=st.integers(0, 2))
    def rotate(self, issuer: int) -> None:
        self.generations.bump_key_set(issuer)

    @rule(token=st.sampled_from(TOKENS))
    def renew(self, token: bytes) -> None:
        if token in self.known:
            generation = self.generations.key_set(self.known[token]["issuer"])
            self.cache.renew(token, generation)
            self.known[token]["key_generation"] = generation

    @rule(token=st.sampled_from(TOKENS))
    def drop(self, token: bytes) -> None:
        self.cache.drop(token)
        self.known.pop(token, None)

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.known.clear()
        self.clock = 0

    @invariant()
    def the_books_agree(self) -> None:
        if hasattr(self, "cache"):
            assert self.cache.entries == len(self.known) <= self.most
            assert self.cache.bytes == self.bytes_held() <= self.size
            assert (self.cache.hits, self.cache.misses) == (self.hits, self.misses)
            assert self.cache.evictions == self.evictions


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=100, stateful_step_count=50)


# ---- size ----


def names(count: int) -> list[bytes]:
    return [b"token %d" % number for number in range(count)]


def test_a_large_cache_knows_each_of_its_tokens() -> None:
    cache = Cache(entries=20_000, size=1 << 30)
    for number, token in enumerate(names(20_000)):
        cache.put(token, b"%d" % number)
        if number % 1000 == 999:  # in the middle of growing
            for known in range(0, number, 97):
                assert cache.find(b"token %d" % known) == (Found.HIT, b"%d" % known)
    for number, token in enumerate(names(20_000)):
        assert cache.find(token) == (Found.HIT, b"%d" % number)
    for token in names(20_000)[::2]:
        cache.cache.drop(token)
    for number, token in enumerate(names(20_000)):
        assert cache.find(token) == ((Found.MISS, None) if number % 2 == 0 else (Found.HIT, b"%d" % number))


@given(st.integers(0, 1 << 32), st.integers(1, 60))
@settings(max_examples=20)
def test_use_counts_but_not_of_what_is_among_the_newest_eighth(seed: int, more: int) -> None:
    chance = random.Random(seed)
    cache = Cache(entries=80, size=1 << 30)
    order = names(80)  # the least recently used first
    moved = {token: number for number, token in enumerate(order)}
    for token in order:
        cache.put(token)
    for token in chance.choices(names(80), k=300):
        assert cache.find(token)[0] is Found.HIT
        if max(moved.values()) - moved[token] >= 10 and token != order[-1]:
            moved[token] = max(moved.values()) + 1
            order.remove(token)
            order.append(token)
    for number in range(more):
        cache.put(b"new %d" % number)
    assert [token for token in order if cache.find(token)[0] is Found.HIT] == order[more:]


def test_chains_stay_short_however_many_tokens_there_are() -> None:
    cache = Cache(entries=50_000, size=1 << 30)
    for number, token in enumerate(names(50_000)):
        cache.put(token, b"")
        if number in (1000, 1500, 2500, 10_000, 49_999):
            # One in each on average, two where a split is due; 21 in any of them has a probability of 1e-10.
            assert cache.cache.longest_chain() <= 20
    for token in names(50_000):
        cache.cache.drop(token)
    assert cache.cache.longest_chain() == 0


def test_a_token_costs_at_most_128_bytes_beyond_what_it_keeps() -> None:
    for size in (0, 1, 100, 1000, 1003):
        cache = Cache(entries=20_000, size=1 << 30)
        for token in names(20_000):
            cache.put(token, bytes(size), probes=KEYS[0])
        assert cache.cache.bytes / 20_000 <= size + 16 + 128
        assert cache.cache.memory() / 20_000 <= size + 16 + 128 + 1  # segments that wait for entries


def test_the_cache_grows_a_segment_at_a_time() -> None:
    cache = Cache(entries=50_000, size=1 << 30)
    before = cache.cache.memory()
    for token in names(50_000):
        cache.put(token)
        grown, before = cache.cache.memory() - before, cache.cache.memory()
        assert grown < 40_000  # never a doubling: nothing pauses for the size of the cache


def test_eviction_and_clearing_give_back_what_was_kept() -> None:
    cache = Cache(entries=3000, size=1 << 30)
    empty = cache.cache.memory()
    for token in names(3000):
        cache.put(token, bytes(500))
    full = cache.cache.memory()
    for token in names(9000)[3000:]:
        cache.put(token, bytes(500))
    assert cache.cache.memory() == full
    assert cache.cache.evictions == 6000
    cache.cache.clear()
    assert (cache.cache.memory(), cache.cache.entries, cache.cache.bytes) == (empty, 0, 0)
    assert cache.find(names(9000)[-1]) == (Found.MISS, None)
    cache.put()
    assert cache.find()[0] is Found.HIT


# ---- what is read in a record ----


class Reader:
    """What makes something of a record, and how often it did."""

    def __init__(self) -> None:
        self.times = 0
        self.cache = Cache()
        self.cache.cache = TokenCache(100_000, 1 << 24, self.read)  # type: ignore[assignment]

    def read(self, record: bytes, generation: int) -> list[object]:
        self.times += 1
        return [record, generation]


def test_a_record_is_read_once_for_all_who_ask() -> None:
    reader = Reader()
    reader.cache.put(record=b"first")
    found = [reader.cache.find() for _ in range(5)]
    assert found == [(Found.HIT, [b"first", 0])] * 5
    assert len({id(said) for _, said in found}) == reader.times == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda cache: cache.put(record=b"second"), (Found.HIT, [b"second", 0])),
        (lambda cache: cache.cache.renew(b"token", 0), (Found.HIT, [b"first", 0])),
        (lambda cache: (cache.cache.drop(b"token"), cache.put(record=b"third")), (Found.HIT, [b"third", 0])),
        (lambda cache: (cache.cache.clear(), cache.put(record=b"fourth")), (Found.HIT, [b"fourth", 0])),
        (lambda cache: (cache.generations.bump_key_set(0), cache.cache.renew(b"token", 1)), (Found.HIT, [b"first", 1])),
    ],
)
def test_after_a_change_it_is_read_again(change: Callable[[Cache], object], said: object) -> None:
    reader = Reader()
    reader.cache.put(record=b"first")
    reader.cache.find()
    change(reader.cache)
    assert reader.cache.find() == said
    assert reader.times == 2


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (lambda cache: cache.cache.drop(b"token"), (Found.MISS, None)),
        (lambda cache: cache.cache.clear(), (Found.MISS, None)),
        (lambda cache: setattr(cache, "wall", 2000.0), (Found.EXPIRED, None)),
        (lambda cache: setattr(cache.generations, "config", 1), (Found.CONFIG_CHANGED, None)),
        (lambda cache: cache.revoke(KEYS[0]), (Found.REVOKED, [b"record", 0])),
        (lambda cache: cache.generations.bump_key_set(0), (Found.KEYS_CHANGED, [b"record", 0])),
    ],
)
def test_what_was_read_says_nothing_of_what_is_found(changes: Callable[[Cache], object], found: object) -> None:
    reader = Reader()
    reader.cache.put(probes=KEYS[0])
    assert reader.cache.find()[0] is Found.HIT
    changes(reader.cache)
    assert reader.cache.find() == found


def test_tokens_that_share_a_place_are_told_apart() -> None:
    """There are 1,024 places, of which each has four to choose from."""
    reader, names = Reader(), [b"token %d" % number for number in range(5000)]
    for name in names:
        reader.cache.put(name, record=name)
    for name in names * 2:
        assert reader.cache.find(name) == (Found.HIT, [name, 0])


def test_some_tokens_that_are_asked_for_in_turn_are_read_about_once_each() -> None:
    """Had each one place, a seventh of them would be read each time; five of one set are, but of such sets there are few."""
    reader, names = Reader(), [b"token %d" % number for number in range(150)]
    for name in names:
        reader.cache.put(name, record=name)
    for name in names * 20:
        assert reader.cache.find(name) == (Found.HIT, [name, 0])
    assert reader.times <= 3 * len(names)


def test_who_is_asked_for_again_takes_the_place_of_who_is_not() -> None:
    """Of a thousand that nobody wants any more none keeps its place from ten that somebody does."""
    reader, old = Reader(), [b"old %d" % number for number in range(1000)]
    new = [b"new %d" % number for number in range(10)]
    for name in old + new:
        reader.cache.put(name, record=name)
    for name in old * 5 + new * 10:
        reader.cache.find(name)
    before = reader.times
    for name in new * 10:
        reader.cache.find(name)
    assert reader.times == before


def test_the_same_digest_of_another_length_is_another_token() -> None:
    reader = Reader()
    reader.cache.put(b"token", record=b"its record")
    assert reader.cache.find(b"token")[1] == [b"its record", 0]
    assert reader.cache.cache.record_of(keyed128(b"token"), 6) is None


def test_a_record_that_cannot_be_read_is_tried_again() -> None:
    def fail(record: bytes, generation: int) -> object:
        raise ValueError("not now")

    cache = TokenCache(10, 1 << 20, fail)
    cache.put(b"token", b"record", 0, 0, 0, 0, 10.0, 10.0, b"")
    for _ in range(2):
        with pytest.raises(ValueError, match="not now"):
            cache.find(b"token", 1.0, 1.0, Generations(), Revocations(10))


# ---- by digest, for what was decided a moment ago (what is prepared under a token: test_lane.py) ----


def test_a_record_is_found_by_digest_and_length_unjudged() -> None:
    cache = Cache()
    cache.put(b"token", b"its record", probes=KEYS[0], until_wall=-1.0)
    cache.revoke(KEYS[0])
    assert cache.cache.record_of(keyed128(b"token"), 5) == b"its record"
    assert cache.cache.record_of(keyed128(b"token"), 6) is None
    assert cache.cache.record_of(keyed128(b"tokem"), 5) is None
    cache.cache.drop(b"token")
    assert cache.cache.record_of(keyed128(b"token"), 5) is None


@pytest.mark.parametrize("digest", [b"", bytes(15), bytes(17)])
def test_what_is_no_digest_finds_no_record(digest: bytes) -> None:
    cache = Cache()
    cache.put(b"", b"record")
    assert cache.cache.record_of(digest, 0) is None
