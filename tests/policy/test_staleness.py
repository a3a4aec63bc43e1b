"""Which age counts for a resource, and how it is served by it."""

from __future__ import annotations

import math

import pytest
from support.policies import NOW, State, resource

from bearerd import metrics
from bearerd.policy.staleness import Serving, age, limit, serving


@pytest.mark.parametrize(
    ("own", "known", "strict", "available"),
    [
        (1.0, math.inf, "fresh", "fresh"),
        (30.0, math.inf, "fresh", "fresh"),
        (30.1, math.inf, "refused", "stale"),
        (3600.0, math.inf, "refused", "stale"),
        (3600.1, math.inf, "refused", "refused"),
        (math.inf, math.inf, "refused", "refused"),
        (math.inf, 0.0, "refused", "stale"),  # a snapshot makes nothing fresh, however young it is
        (math.inf, 3600.0, "refused", "stale"),
        (math.inf, 3600.1, "refused", "refused"),
        (5000.0, 10.0, "refused", "stale"),
        (math.nan, math.nan, "refused", "refused"),
    ],
)
def test_strict_goes_by_the_process_s_own_heartbeats_and_available_by_all_that_is_known(
    own: float, known: float, strict: str, available: str
) -> None:
    state = State(age=own, known=known)
    assert serving(resource(), NOW, state) == strict
    assert serving(resource(staleness="available"), NOW, state) == available


def test_the_age_and_the_limit_are_of_one_kind() -> None:
    state = State(age=100.0, known=7.0)
    assert (age(resource(), NOW, state), limit(resource(), state)) == (100.0, 30.0)
    assert (age(resource(staleness="available"), NOW, state), limit(resource(staleness="available"), state)) == (
        7.0,
        3600.0,
    )


def test_the_states_are_those_of_the_metrics() -> None:
    assert tuple(Serving) == metrics.SERVING
