"""native/anchor: what time it may be, by all that the wall clock has said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native import clock
from bearerd._native.anchor import Anchor

SECONDS = st.floats(-1e10, 1e10)


def test_a_clock_that_was_never_set_is_neither_behind_nor_ahead() -> None:
    anchor = Anchor()
    for boot in range(10):
        assert anchor.tell(1000.0 + boot, float(boot)) == (1000.0 + boot, boot, 0.0, 0.0)


def test_a_clock_that_was_set_back_is_behind_and_one_set_forward_ahead() -> None:
    anchor = Anchor()
    anchor.tell(1000.0, 0.0)
    assert anchor.tell(900.0, 10.0) == (900.0, 10.0, 110.0, 0.0)
    assert anchor.tell(2000.0, 20.0) == (2000.0, 20.0, 0.0, 1090.0)
    assert (anchor.latest, anchor.earliest) == (1980.0, 890.0)


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1))
def test_the_span_holds_all_that_was_read_and_never_narrows(readings: list[tuple[float, float]]) -> None:
    anchor = Anchor()
    latest, earliest = -math.inf, math.inf
    for wall, boot in readings:
        _, _, behind, ahead = anchor.tell(wall, boot)
        latest, earliest = max(latest, wall - boot), min(earliest, wall - boot)
        assert (anchor.latest, anchor.earliest) == (latest, earliest)
        assert (behind, ahead) == (latest - (wall - boot), (wall - boot) - earliest)


@pytest.mark.parametrize("wall", [math.inf, -math.inf, math.nan, 1.0])
@pytest.mark.parametrize("boot", [math.inf, -math.inf, math.nan])
def test_a_clock_that_fails_is_not_remembered(wall: float, boot: float) -> None:
    anchor = Anchor()
    anchor.tell(1000.0, 0.0)
    for pair in ((wall, boot), (boot, wall)):
        anchor.tell(*pair)
    assert (anchor.latest, anchor.earliest) == (1000.0, 1000.0)


def test_it_reads_the_machines_clocks() -> None:
    anchor = Anchor()
    before = clock.wall(), clock.boot()
    wall, boot, behind, ahead = anchor.read()
    assert before[0] - 1 < wall < clock.wall() + 1
    assert before[1] <= boot <= clock.boot()
    assert (behind, ahead) == (0.0, 0.0)


def test_what_another_process_saw_can_be_given() -> None:
    assert Anchor(1000.0, 500.0).tell(700.0, 0.0) == (700.0, 0.0, 300.0, 200.0)


@pytest.mark.skipif(not clock.HAS_TEST_HOOK, reason="needs a build with BEARERD_TEST=1")
@pytest.mark.parametrize("by", [3600.0, -3600.0])
def test_steps_and_a_suspension_of_the_machines_clocks_are_seen(by: float) -> None:
    anchor = Anchor()
    anchor.read()
    clock.shift(by, 0.0)
    try:
        _, _, behind, ahead = anchor.read()
        assert abs(behind - max(0.0, -by)) < 60
        assert abs(ahead - max(0.0, by)) < 60
        clock.shift(1800.0, 1800.0)  # asleep: both run on
        assert abs(anchor.read()[2] - behind) < 60
    finally:
        clock.shift(-by - 1800.0, -1800.0)
