"""What the wall clock has said is not forgotten when it is set, and not remembered for ever."""

from __future__ import annotations

import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dial import HOUR, Dial

from bearerd._native import clock
from bearerd.timekeeper import STEP, Timekeeper, plain

HOLD = 26 * HOUR


def watched(dial: Dial, keeper: Timekeeper, seconds: float, every: float = 600.0) -> None:
    """Time passes, and the keeper looks now and then."""
    for _ in range(int(seconds // every)):
        dial.run(every)
        keeper.review()


def test_a_clock_that_nobody_sets_is_the_time() -> None:
    dial = Dial()
    keeper = dial.keeper()
    for seconds in (0.0, 1.0, 90 * 24 * HOUR):
        dial.run(seconds)
        now = keeper.review()
        assert (now.wall, now.boot, now.latest, now.earliest) == (dial.wall, dial.boot, dial.wall, dial.wall)


def test_the_machines_clocks_are_read_unless_others_are_given() -> None:
    now = Timekeeper().now()
    assert abs(now.wall - clock.wall()) < 60
    assert abs(now.boot - clock.boot()) < 60
    assert plain()._replace(wall=0.0, boot=0.0) == (0.0, 0.0, 0.0, 0.0)


def test_set_back_the_latest_time_runs_on_and_suspended_time_counts() -> None:
    dial = Dial()
    keeper = dial.keeper()
    true = dial.wall
    dial.step(-HOUR)
    assert keeper.now().latest == true
    dial.run(8 * HOUR)  # asleep: nobody looked meanwhile
    assert keeper.now().latest == true + 8 * HOUR
    assert keeper.now().wall == true + 7 * HOUR


def test_set_forward_the_earliest_time_runs_on() -> None:
    dial = Dial()
    keeper = dial.keeper()
    true = dial.wall
    dial.step(HOUR)
    dial.run(60)
    now = keeper.review()
    assert (now.earliest, now.wall, now.latest) == (true + 60, true + HOUR + 60, true + HOUR + 60)


def test_put_right_again_it_is_the_time_again_where_it_was_behind() -> None:
    dial = Dial()
    keeper = dial.keeper()
    dial.step(-HOUR)
    keeper.review()
    dial.step(HOUR)
    assert keeper.review().behind == 0.0


def test_one_who_may_call_a_token_expired_for_good_takes_the_earliest_time() -> None:
    dial = Dial()
    keeper = dial.keeper()
    dial.step(HOUR)
    now = keeper.now()
    assert now.at_the_earliest().latest == now.earliest == now.wall - HOUR


# ---- when what it said before is given up


@pytest.mark.parametrize("back", [60.0, HOUR, 14 * HOUR, HOLD])
def test_it_is_believed_once_it_has_passed_the_moment_by_the_hold(back: float) -> None:
    dial = Dial()
    keeper = dial.keeper(HOLD)
    moment = dial.wall
    dial.step(-back)
    keeper.review()
    while dial.wall < moment + HOLD:
        assert keeper.now().behind == back
        dial.run(60)
        keeper.review()
    assert keeper.now().behind == 0.0


def test_set_back_by_more_than_the_hold_it_is_believed_after_twice_that_time() -> None:
    dial = Dial()
    keeper = dial.keeper(HOLD)
    dial.step(-365 * 24 * HOUR)
    keeper.review()
    watched(dial, keeper, 2 * HOLD - 600)
    assert keeper.now().behind > 0
    watched(dial, keeper, 600)
    assert keeper.now().behind == 0.0


def test_set_back_again_it_is_not_believed_for_as_long_again() -> None:
    dial = Dial()
    keeper = dial.keeper(HOLD)
    dial.step(-HOUR)
    keeper.review()
    watched(dial, keeper, HOLD)
    dial.step(-HOUR)
    keeper.review()
    moment = keeper.now().latest
    while dial.wall < moment + HOLD - 600:
        watched(dial, keeper, 600)
        assert keeper.now().behind == 2 * HOUR


def test_a_clock_that_a_time_service_puts_right_is_believed_at_once() -> None:
    dial = Dial()
    keeper = dial.keeper()
    dial.run(30)
    dial.step(-HOUR)  # the service sets it; the kernel says so a moment later
    assert keeper.review().behind == HOUR
    dial.kept = True
    dial.run(1)
    assert keeper.review().behind == 0.0


def test_a_time_service_that_sets_its_own_clock_back_is_not() -> None:
    dial = Dial(kept=True)
    keeper = dial.keeper()
    dial.step(-HOUR)
    assert keeper.review().behind == HOUR
    dial.run(HOUR)
    assert keeper.review().behind == HOUR


def test_neither_is_a_hand_that_sets_back_a_clock_that_was_kept_not_even_once_it_is_kept_again() -> None:
    dial = Dial(kept=True)
    keeper = dial.keeper()
    dial.step(-HOUR)
    dial.kept = False
    assert keeper.review().behind == HOUR
    dial.kept = True
    assert keeper.review().behind == HOUR


def test_a_clock_set_forward_by_hand_is_forgotten_once_the_service_has_put_it_right() -> None:
    dial = Dial(kept=True)
    keeper = dial.keeper()
    dial.step(HOUR)
    dial.kept = False
    keeper.review()
    dial.run(60)
    dial.step(-HOUR)
    dial.kept = True
    assert keeper.review().behind == 0.0


def test_revocations_are_forgotten_by_a_clock_that_stays_ahead_only_after_twice_the_hold() -> None:
    dial = Dial()
    keeper = dial.keeper(HOLD)
    dial.step(50 * 365 * 24 * HOUR)  # it began in 1970
    keeper.review()
    watched(dial, keeper, 2 * HOLD - 600)
    assert keeper.now().ahead > 0
    watched(dial, keeper, 600)
    assert keeper.now().ahead == 0.0


# ---- what was dropped while it was ahead


def test_a_clock_that_was_wrong_from_the_start_is_not_corrected_before_revocations_were_read_again() -> None:
    dial = Dial()
    keeper = dial.keeper()
    assert keeper.forgetting() == dial.wall  # what ended by then was left out
    assert not keeper.forgot_too_much
    dial.step(-HOUR)
    dial.kept = True
    assert keeper.review().behind == HOUR
    assert keeper.forgot_too_much
    assert keeper.forgetting() == dial.wall
    assert keeper.forgot_too_much
    keeper.remembered(keeper.now().earliest)
    assert not keeper.forgot_too_much
    assert keeper.review().behind == 0.0


def test_what_was_kept_need_not_be_read_again() -> None:
    dial = Dial(kept=True)
    keeper = dial.keeper()
    keeper.forgetting()
    dial.step(HOUR)
    dial.kept = False
    keeper.review()
    keeper.forgetting()
    dial.step(-HOUR)
    dial.kept = True
    assert keeper.review().behind == 0.0
    assert not keeper.forgot_too_much


# ---- the rest


def test_a_process_that_starts_later_is_told() -> None:
    dial = Dial()
    parent = dial.keeper()
    dial.step(-HOUR)
    parent.review()
    child = dial.keeper(seen=parent.seen())
    assert child.now().behind == HOUR
    assert dial.keeper().now().behind == 0.0  # a restart believes what it finds
    dial.kept = True
    assert child.review().behind == 0.0  # also that no time service kept the clock


def test_a_clock_that_fails_is_infinitely_late_and_not_remembered() -> None:
    dial = Dial()
    keeper = dial.keeper()
    wall, dial.wall = dial.wall, math.inf
    assert keeper.review().latest == math.inf
    dial.wall = wall
    assert keeper.review().behind == 0.0


def test_that_the_clock_was_set_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bearerd.time")
    dial = Dial()
    keeper = dial.keeper()
    dial.step(STEP / 2)  # two readings are never taken at one moment
    watched(dial, keeper, 6000)
    assert not caplog.records
    dial.step(-HOUR)
    watched(dial, keeper, 6000)
    assert [record.message for record in caplog.records] == [
        "the wall clock was set back: tokens expire by what it said before"
    ]
    caplog.clear()
    dial.step(2 * HOUR)
    watched(dial, keeper, 6000)
    assert [record.message for record in caplog.records] == ["the wall clock was set"]


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 7200)),
        st.tuples(st.just("step"), st.integers(-7200, 7200)),
        st.tuples(st.just("review"), st.just(0)),
    ),
    max_size=40,
)


@given(EVENTS)
def test_whatever_is_set_the_latest_time_never_stands_still_nor_falls(events: list[tuple[str, int]]) -> None:
    """Within a hold: here all the steps come to less."""
    dial = Dial()
    keeper = dial.keeper(40 * 4 * HOUR)
    before = keeper.now()
    for what, seconds in events:
        if what == "review":
            keeper.review()
        else:
            getattr(dial, what)(seconds)
        now = keeper.now()
        assert now.latest >= before.latest + (now.boot - before.boot)
        assert now.latest >= now.wall >= now.earliest
        before = now


@given(
    st.integers(2, int(HOLD)),
    st.integers(1, int(HOLD)),
    st.lists(st.integers(1, 7200), max_size=60),
)
def test_what_expired_before_the_clock_was_set_back_is_never_alive_again(
    back: int, life: int, pauses: list[int]
) -> None:
    """``life``: what is left of a token in the moment of the step; not more than the hold."""
    dial = Dial()
    keeper = dial.keeper(HOLD)
    ends = dial.wall + life
    dead_boot = dial.boot + life
    dial.step(-back)
    keeper.review()
    for pause in [*pauses, int(HOLD), back, 1, int(HOLD)]:
        dial.run(pause)
        keeper.review()
        assert (keeper.now().latest < ends) <= (dial.boot < dead_boot)
