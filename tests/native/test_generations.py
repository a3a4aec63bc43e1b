"""native/generations: what counts up never comes back to where it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.generations import Generations

ISSUERS = st.one_of(st.integers(0, 20), st.integers(0, 65_535))


@given(st.lists(ISSUERS, max_size=60), st.lists(ISSUERS, max_size=20))
def test_each_issuer_counts_its_own(bumped: list[int], asked: list[int]) -> None:
    generations = Generations()
    for number, issuer in enumerate(bumped):
        assert generations.bump_key_set(issuer) == bumped[: number + 1].count(issuer)
    for issuer in bumped + asked:
        assert generations.key_set(issuer) == bumped.count(issuer)


def test_the_configuration_is_a_plain_number() -> None:
    generations = Generations()
    assert generations.config == 0
    generations.config += 7
    assert generations.config == 7
    assert Generations().config == 0


@pytest.mark.parametrize("outside", [-1, 65_536, 1 << 40])
def test_an_index_outside_is_no_issuer(outside: int) -> None:
    generations = Generations()
    with pytest.raises(IndexError):
        generations.key_set(outside)
    with pytest.raises(IndexError):
        generations.bump_key_set(outside)


@pytest.mark.parametrize("wrong", [-1, 1 << 32])
def test_a_generation_that_does_not_fit_is_refused_not_cut(wrong: int) -> None:
    generations = Generations()
    with pytest.raises(OverflowError):
        generations.config = wrong
    assert generations.config == 0
