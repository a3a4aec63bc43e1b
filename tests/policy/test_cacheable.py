"""For how long a gateway may keep an allow: what is said is never too much, and only where it was asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policies import NOW, State, asked, decided, resource, verified

from bearerd.decision import Now
from bearerd.refusals import Code, Refusal


def kept(*rules: dict[str, Any], state: State | None = None, left: float = 600, **table: Any) -> int | None:
    """The seconds for a token that is good for so many more; None: nothing may be given again at all."""
    made = resource(*rules, gateway="nginx", **({"cacheable_for": "5s"} | table))
    reuse = decided(made, asked(), verified(expires_at=NOW.wall + left), state=state or State()).reuse
    return None if reuse is None else reuse.cacheable


def test_nothing_may_be_kept_unless_the_resource_says_so() -> None:
    assert kept(cacheable_for=None) == 0
    assert kept() == 5


@pytest.mark.parametrize(("left", "seconds"), [(600, 5), (5.0, 5), (4.99, 4), (1.0, 1), (0.99, 0), (0, 0), (-10, 0)])
def test_it_ends_with_the_token_and_the_leeway_is_not_given_away(left: float, seconds: int) -> None:
    assert kept(left=left) == seconds


@pytest.mark.parametrize(("age", "seconds"), [(1, 5), (25, 5), (25.5, 4), (29.0, 1), (29.5, 0), (30.0, 0)])
def test_it_ends_with_the_view_s_staleness(age: float, seconds: int) -> None:
    assert kept(state=State(age)) == seconds


@pytest.mark.parametrize("ends", [(NOW.wall + 3.5, math.inf), (math.inf, NOW.boot + 3.5)])
def test_it_ends_with_the_keys(ends: tuple[float, float]) -> None:
    assert kept(state=State(until=ends)) == 3


def test_a_fraction_of_a_second_is_not_given() -> None:
    assert kept(cacheable_for="2900ms") == 2


@pytest.mark.parametrize(
    ("made", "request_", "subject", "state"),
    [
        (resource({"auth": "none"}, cacheable_for="5s"), asked(), None, State()),
        (resource({"preflight": True}, cacheable_for="5s"), asked("OPTIONS"), None, State()),
        (resource({"auth": "optional"}, cacheable_for="5s"), asked(), None, State()),
        (resource({"roles": ["x"]}, cacheable_for="5s"), asked(), verified(), State()),
        (resource({"enforce": "shadow"}, {}, cacheable_for="5s"), asked(), verified(), State()),
        (resource(cacheable_for="5s"), asked(), Refusal(Code.EXPIRED), State()),
        (resource(cacheable_for="5s"), asked(), verified(), State(math.inf)),
        (resource(cacheable_for="5s", staleness="available"), asked(), verified(), State(math.inf, known=1.0)),
    ],
    ids=["open", "preflight", "nobody", "refused", "shadow rule", "expired", "stale", "by a snapshot"],
)
def test_nothing_else_may_be_kept(made: Any, request_: Any, subject: Any, state: State) -> None:
    reuse = decided(made, request_, subject, state=state).reuse
    assert reuse is None or reuse.cacheable == 0


@given(
    st.integers(1, 60),
    st.floats(-40, 200),
    st.floats(0, 31),
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(0, 1),
)
def test_whenever_it_is_given_it_is_not_too_much(
    limit: int, left: float, age: float, keys_wall: float, keys_boot: float, share: float
) -> None:
    """At the last moment of what it says, a fresh decision, by the very same state, allows it still."""
    made = resource(gateway="forwarded", cacheable_for=f"{limit}s")
    state, token = State(age, until=(NOW.wall + keys_wall, NOW.boot + keys_boot)), verified(expires_at=NOW.wall + left)
    reuse = decided(made, asked(), token, state=state).reuse
    if reuse is None or not reuse.cacheable:
        return
    room = min(reuse.until_wall - NOW.wall, reuse.until_boot - NOW.boot)
    assert room >= 0
    assert reuse.cacheable <= limit
    given_at = room * share
    last = Now(NOW.wall + given_at + reuse.cacheable, NOW.boot + given_at + reuse.cacheable)
    assert last.wall <= token.expires_at + 1e-6
    assert last.wall <= NOW.wall + keys_wall + 1e-6
    assert last.boot <= NOW.boot + keys_boot + 1e-6
    assert state.view_age(last) <= state.max_staleness + 1e-6


def test_it_is_by_the_latest_time_that_the_clock_has_told() -> None:
    made, token = resource(gateway="nginx", cacheable_for="5s"), verified(expires_at=NOW.wall + 10)
    reuse = decided(made, asked(), token, now=NOW._replace(wall=NOW.wall - 100, behind=107.0)).reuse
    assert reuse is not None
    assert reuse.cacheable == 3
