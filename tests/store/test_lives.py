from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.revocations import FOREVER, TOMBSTONE
from bearerd.store import lives
from bearerd.store.entries import API_KEYS, Kind

NOW = 1_800_000_000.25
ISSUER = "https://auth.example.com"
DAY = 86_400.0
DATED = [Kind.SUBJECT, Kind.CLIENT, Kind.ISSUER]
UNDATED = [Kind.TOKEN, Kind.SESSION, Kind.KEY]
times = st.floats(1_600_000_000, 2_500_000_000, allow_nan=False)


@pytest.mark.parametrize("kind", UNDATED)
def test_token_session_and_key_are_revoked_whenever_issued(kind: Kind) -> None:
    assert lives.cutoff(kind, NOW, None, 2.0) == FOREVER


@pytest.mark.parametrize("kind", DATED)
def test_subject_client_and_issuer_are_revoked_up_to_now_and_the_issuers_slack(kind: Kind) -> None:
    assert lives.cutoff(kind, NOW, None, 2.0) == 1_800_000_002


@given(now=times, slack=st.floats(0, 60), lead=st.floats(0, 1))
def test_a_token_issued_before_the_revocation_is_caught_while_its_issuer_leads_by_no_more_than_the_slack(
    now: float, slack: float, lead: float
) -> None:
    issued_at = now + lead * slack
    assert math.floor(issued_at) <= lives.cutoff(Kind.SUBJECT, now, None, slack)


@pytest.mark.parametrize("kind", Kind)
def test_before_is_taken_as_it_is_and_all_means_for_ever(kind: Kind) -> None:
    assert lives.cutoff(kind, NOW, 1_700_000_000, 2.0) == 1_700_000_000
    assert lives.cutoff(kind, NOW, "all", 2.0) == FOREVER


@pytest.mark.parametrize("before", [0, -1, FOREVER, 1_700_000_000_000, True, 1.5, "ALL", "5"])
def test_a_before_that_is_no_time_is_refused(before: Any) -> None:
    with pytest.raises(ValueError, match="before"):
        lives.cutoff(Kind.SUBJECT, NOW, before, 2.0)


def expiry(kind: Kind, cut: int, issuer: str = ISSUER, *, now: float = NOW, **more: Any) -> int:
    return lives.expiry(kind, issuer, now, cut, retention=DAY, **more)


def test_a_token_whose_end_is_known_is_kept_until_then() -> None:
    assert expiry(Kind.TOKEN, FOREVER, until=NOW + 100) == math.ceil(NOW + 100)


def test_a_token_whose_end_is_unknown_is_kept_for_the_retention() -> None:
    assert expiry(Kind.TOKEN, FOREVER) == math.ceil(NOW + DAY)


@pytest.mark.parametrize("kind", Kind)
def test_a_dated_cut_off_is_kept_for_the_retention(kind: Kind) -> None:
    assert expiry(kind, 1_700_000_000) == math.ceil(NOW + DAY)


def test_a_cut_off_in_the_future_is_kept_for_the_retention_after_it() -> None:
    assert expiry(Kind.SUBJECT, int(NOW) + 1000) == math.ceil(int(NOW) + 1000 + DAY)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.TOKEN])
def test_for_ever_on_anything_but_a_token_lasts_until_lifted(kind: Kind) -> None:
    assert expiry(kind, FOREVER, until=NOW + 5) == FOREVER


@pytest.mark.parametrize("kind", Kind)
def test_an_api_key_is_kept_until_its_own_end_however_late_else_until_lifted(kind: Kind) -> None:
    for end in (NOW + 5, NOW + 90 * DAY):
        assert expiry(kind, FOREVER, API_KEYS, until=end) == math.ceil(end)
    for cut in (FOREVER, 1_700_000_000):
        assert expiry(kind, cut, API_KEYS) == FOREVER
    assert lives.tombstone(kind, API_KEYS, NOW, DAY) == (TOMBSTONE, FOREVER)


def test_expires_in_lengthens() -> None:
    assert expiry(Kind.TOKEN, FOREVER, until=NOW + 100, expires_in=1000) == math.ceil(NOW + 1000)
    assert expiry(Kind.SUBJECT, 5, expires_in=1000 * DAY) == math.ceil(NOW + 1000 * DAY)


@pytest.mark.parametrize(
    ("kind", "cut", "more"),
    [
        (Kind.TOKEN, FOREVER, {"until": NOW + 100, "expires_in": 50}),
        (Kind.TOKEN, FOREVER, {"expires_in": DAY - 60}),
        (Kind.SUBJECT, 5, {"expires_in": 0}),
        (Kind.SUBJECT, 5, {"expires_in": -1e9}),
        (Kind.SESSION, FOREVER, {"expires_in": 1e6}),
    ],
)
def test_expires_in_never_shortens(kind: Kind, cut: int, more: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="never shorten"):
        expiry(kind, cut, **more)


@pytest.mark.parametrize("now", [NOW, math.floor(NOW), NOW + 0.7])
def test_the_shortest_that_a_refusal_names_is_taken(now: float) -> None:
    with pytest.raises(ValueError, match="at least") as refused:
        expiry(Kind.TOKEN, FOREVER, now=now, expires_in=60)
    named = re.search(r"at least ([0-9]+) seconds", str(refused.value))
    assert named is not None
    assert expiry(Kind.TOKEN, FOREVER, now=now, expires_in=int(named[1])) == expiry(Kind.TOKEN, FOREVER, now=now)


@pytest.mark.parametrize(
    ("kind", "more"), [(Kind.TOKEN, {"expires_in": 3 * DAY}), (Kind.SUBJECT, {"expires_in": 1e10})]
)
def test_expires_in_beyond_what_can_be_kept_is_refused(kind: Kind, more: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="longer"):
        expiry(kind, 5, **more)


def test_a_token_that_outlives_the_retention_by_far_is_refused_not_cut_short() -> None:
    with pytest.raises(ValueError, match="revocation_retention"):
        expiry(Kind.TOKEN, FOREVER, until=NOW + 3 * DAY)


@pytest.mark.parametrize("kind", [Kind.SUBJECT, Kind.TOKEN])
def test_a_cut_off_too_far_in_the_future_is_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match="too far"):
        expiry(kind, FOREVER - 5)


@given(
    kind=st.sampled_from(Kind),
    issuer=st.sampled_from([ISSUER, API_KEYS]),
    now=times,
    cut=st.one_of(st.just(FOREVER), st.integers(1, 2_600_000_000)),
    until=st.none() | times,
    expires_in=st.none() | st.floats(0, 1e9),
    later=st.floats(0, 1e6),
)
def test_a_tombstone_outlives_every_entry_that_it_lifts(
    kind: Kind, issuer: str, now: float, cut: int, until: float | None, expires_in: float | None, later: float
) -> None:
    try:
        end = lives.expiry(kind, issuer, now, cut, retention=DAY, until=until, expires_in=expires_in)
    except ValueError:
        return
    assert lives.tombstone(kind, issuer, now + later, DAY).expiry >= end


def test_lifts_and_resets_are_tombstones() -> None:
    assert lives.tombstone(Kind.TOKEN, ISSUER, NOW, DAY) == (TOMBSTONE, math.ceil(NOW + 2 * DAY) + 1)
    assert lives.tombstone(Kind.SUBJECT, ISSUER, NOW, DAY) == (TOMBSTONE, FOREVER)
    assert lives.reset() == (TOMBSTONE, FOREVER)


def test_a_bucket_outlives_its_entries_by_an_hour_at_least() -> None:
    assert lives.storable_until(FOREVER) == math.inf
    for last in (7200, 7201, 10799):
        assert 3600 <= lives.storable_until(last) - last <= 7200
