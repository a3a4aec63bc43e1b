"""native/refused: a short memory of bad tokens."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.digest import keyed128
from bearerd._native.refused import RefusedTokens

WAYS = 8


class Oracle:
    """Sets of eight, newest first, the slow way."""

    def __init__(self, entries: int) -> None:
        self.sets: list[list[tuple[bytes, int, float, int]]] = [[] for _ in range(-(-entries // WAYS))]

    def set_of(self, token: bytes) -> list[tuple[bytes, int, float, int]]:
        return self.sets[int.from_bytes(keyed128(token)[:8], "little") * len(self.sets) >> 64]

    def put(self, token: bytes, value: int, until: float, generation: int) -> None:
        kept = self.set_of(token)
        kept[:] = [(token, value, until, generation), *(entry for entry in kept if entry[0] != token)][:WAYS]

    def find(self, token: bytes, boot: float, generation: int) -> int:
        for known, value, until, under in self.set_of(token):
            if known == token and boot < until and generation == under:
                return value
        return -1


TOKENS = st.sampled_from([b"%d" % number * 20 for number in range(40)])
GENERATIONS = st.sampled_from([0, 1, 1 << 32, (1 << 64) - 1])


@given(
    st.integers(1, 40),
    st.lists(st.tuples(TOKENS, st.integers(0, 2**31 - 1), st.integers(0, 9), GENERATIONS, st.booleans()), max_size=120),
)
def test_agrees_with_the_slow_way(entries: int, steps: list[tuple[bytes, int, int, int, bool]]) -> None:
    table, oracle, hits = RefusedTokens(entries), Oracle(entries), 0
    for token, value, time, generation, puts in steps:
        if puts:
            table.put(token, value, float(time), generation)
            oracle.put(token, value, float(time), generation)
        else:
            found = oracle.find(token, float(time), generation)
            hits += found >= 0
            assert table.find(token, float(time), generation) == found
    assert table.hits == hits


def test_a_full_set_forgets_its_oldest() -> None:
    table = RefusedTokens(WAYS)  # one set
    tokens = [b"token %d" % number for number in range(WAYS + 3)]
    for number, token in enumerate(tokens):
        table.put(token, number, 10.0, 0)
    assert [table.find(token, 0.0, 0) for token in tokens] == [-1, -1, -1, *range(3, WAYS + 3)]


def test_one_token_takes_one_place() -> None:
    table = RefusedTokens(WAYS)
    tokens = [b"token %d" % number for number in range(WAYS)]
    for number, token in enumerate([*tokens, *[tokens[-1]] * 20]):
        table.put(token, number, 10.0, 0)
    assert [table.find(token, 0.0, 0) for token in tokens] == [*range(WAYS - 1), WAYS + 19]


def test_it_never_grows() -> None:
    table = RefusedTokens(100)
    before = table.memory()
    for number in range(10_000):
        table.put(b"%d" % number, 0, 10.0, 0)
    assert table.memory() == before == 13 * WAYS * 72
    assert sum(table.find(b"%d" % number, 0.0, 0) == 0 for number in range(10_000)) <= 13 * WAYS


def test_a_memory_ends_with_its_time() -> None:
    table = RefusedTokens(8)
    table.put(b"token", 3, 10.0, 0)
    assert table.find(b"token", math.nextafter(10.0, 0.0), 0) == 3
    assert table.find(b"token", 10.0, 0) == -1
    assert table.find(b"token", math.inf, 0) == -1
    assert table.find(b"token", math.nan, 0) == -1
    table.put(b"token", 3, math.nan, 0)
    assert table.find(b"token", 0.0, 0) == -1


def test_another_generation_or_another_byte_is_another_question() -> None:
    table = RefusedTokens(8)
    table.put(b"token", 3, 10.0, 5)
    assert table.find(b"token", 0.0, 6) == -1
    assert table.find(b"token", 0.0, 4) == -1
    for other in (b"tokem", b"token ", b"toke", b"Token", b"token\0"):
        assert table.find(other, 0.0, 5) == -1
    assert table.find(b"token", 0.0, 5) == 3


def test_an_empty_token_is_not_remembered() -> None:
    table = RefusedTokens(8)
    table.put(b"", 3, 10.0, 0)
    assert table.find(b"", 0.0, 0) == -1


def test_what_does_not_fit_is_refused_not_cut() -> None:
    table = RefusedTokens(8)
    for value in (-1, 1 << 31):
        with pytest.raises(ValueError, match="value"):
            table.put(b"token", value, 10.0, 0)
    for generation in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            table.put(b"token", 0, 10.0, generation)
    for entries in (0, -1):
        with pytest.raises(ValueError, match="entries"):
            RefusedTokens(entries)
    with pytest.raises(TypeError):
        table.find("token", 0.0, 0)  # type: ignore[arg-type]
