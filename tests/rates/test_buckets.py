"""Budgets, by arithmetic: what one process lets through, and what a fleet does that tells itself once a second."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.policy.terms import Budget
from bearerd.rates.buckets import MOST_NAMES, Buckets, Full, Key

THIRTY = Budget("rule", rate=0.5, burst=30.0)
ALICE = ("https://issuer.example", "sub", "alice")
BOB = ("https://issuer.example", "sub", "bob")


def test_a_burst_passes_and_then_one_each_time_that_one_comes_in() -> None:
    buckets = Buckets(10)
    assert [buckets.take(THIRTY, ALICE, "", 100.0) for _ in range(30)] == [0.0] * 30
    assert buckets.take(THIRTY, ALICE, "", 100.0) == 2.0
    assert buckets.take(THIRTY, ALICE, "", 101.0) == 1.0
    assert buckets.take(THIRTY, ALICE, "", 102.0) == 0.0
    assert buckets.take(THIRTY, ALICE, "", 102.0) == 2.0


def test_whoever_waited_long_has_a_burst_and_no_more() -> None:
    buckets = Buckets(10)
    for moment in (0.0, 1e9):
        assert sum(buckets.take(THIRTY, ALICE, "", moment) == 0.0 for _ in range(100)) == 30


def test_a_clock_that_goes_back_brings_nothing_in() -> None:
    buckets = Buckets(10)
    assert all(buckets.take(THIRTY, ALICE, "", 100.0) == 0.0 for _ in range(30))
    assert buckets.take(THIRTY, ALICE, "", 50.0) > 0
    assert buckets.take(THIRTY, ALICE, "", 101.0) > 0


def test_each_principal_and_each_tool_has_a_budget_of_its_own() -> None:
    buckets, one = Buckets(10), Budget("rule", 1.0, 1.0)
    asked = [(ALICE, "a"), (ALICE, "b"), (BOB, "a")]
    assert [buckets.take(one, who, tool, 0.0) for who, tool in asked] == [0.0] * 3
    assert all(buckets.take(one, who, tool, 0.0) > 0 for who, tool in asked)
    assert buckets.take(one._replace(name="another rule"), ALICE, "a", 0.0) == 0.0


def test_whoever_invents_tools_has_not_a_budget_for_each() -> None:
    buckets, one = Buckets(10_000), Budget("rule", 1.0, 1.0)
    passed = sum(buckets.take(one, ALICE, f"tool{number}", 0.0) == 0.0 for number in range(1000))
    assert passed == MOST_NAMES + 1
    assert buckets.take(one, BOB, "tool0", 0.0) == 0.0


def test_a_budget_that_is_not_full_is_not_forgotten_for_another() -> None:
    buckets, one = Buckets(2), Budget("rule", 1.0, 1.0)
    assert buckets.take(one, ALICE, "", 0.0) == buckets.take(one, BOB, "", 0.0) == 0.0
    with pytest.raises(Full):
        buckets.take(one, ("eve",), "", 0.5)
    assert buckets.take(one, ALICE, "", 0.5) > 0


def test_what_is_full_again_makes_room_once_the_fleet_knows_of_it() -> None:
    buckets, one = Buckets(1), Budget("rule", 1.0, 1.0)
    buckets.take(one, ALICE, "", 0.0)
    with pytest.raises(Full):
        buckets.take(one, BOB, "", 10.0)
    told = buckets.unsaid(10)
    assert [(key, spent) for key, _, spent in told] == [(Key("rule", ALICE, ""), 1)]
    assert buckets.take(one, BOB, "", 20.0) == 0.0
    buckets.unsay(told)  # ALICE's is gone meanwhile: it had come in again
    assert len(buckets) == 1


def test_what_was_not_told_after_all_is_told_the_next_time() -> None:
    buckets = Buckets(10)
    buckets.take(THIRTY, ALICE, "", 0.0)
    told = buckets.unsaid(10)
    buckets.take(THIRTY, ALICE, "", 0.0)
    buckets.unsay(told)
    assert [spent for _, _, spent in buckets.unsaid(10)] == [2]
    assert buckets.unsaid(10) == []


def test_what_the_fleet_spent_counts_here_and_what_was_spent_since_comes_off() -> None:
    buckets = Buckets(10)
    buckets.take(THIRTY, ALICE, "", 0.0)
    ((_, bucket, _),) = buckets.unsaid(1)
    buckets.take(THIRTY, ALICE, "", 0.0)
    bucket.told(3.0, 0.0)  # of 30, the others spent 26
    assert [buckets.take(THIRTY, ALICE, "", 0.0) == 0.0 for _ in range(4)] == [True, True, False, False]
    bucket.told(-10.0, 0.0)  # a debt is paid back first
    assert buckets.take(THIRTY, ALICE, "", 0.0) == (11 + bucket.spent) / 0.5


class Store:
    """What scripts/rate.lua does for one budget that processes tell of."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.level, self.at = budget, budget.burst, 0.0

    def told(self, spent: int, now: float) -> float:
        self.level = min(self.budget.burst, self.level + (now - self.at) * self.budget.rate) - spent
        self.at = now
        return self.level


TURNS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.sampled_from([0.0, 0.1, 0.9])), max_size=120)


@given(TURNS, st.integers(1, 20), st.floats(0.1, 50.0))
def test_a_fleet_spends_too_much_by_at_most_a_burst_and_a_second_for_each_other_process(
    turns: list[tuple[int, int, float]], burst: int, rate: float
) -> None:
    budget = Budget("rule", rate, float(burst))
    processes, store, now, passed = [Buckets(4) for _ in range(4)], Store(budget), 0.0, 0
    told_at = [0.0] * 4
    for who, calls, pause in turns:
        now += pause
        for number, buckets in enumerate(processes):
            if now - told_at[number] >= 1.0 - pause:  # none waits for longer than a second
                told_at[number] = now
                for _, bucket, spent in buckets.unsaid(1):
                    bucket.told(store.told(spent, now), now)
        passed += sum(processes[who].take(budget, ALICE, "", now) == 0.0 for _ in range(calls))
        most = burst + rate * now + 3 * (burst + rate * 1.0)
        assert passed <= math.floor(most + 1e-3)
