"""What ``make outages`` counts as wrong, and how it reads figures: a benchmark that cannot find fault shows nothing."""

from __future__ import annotations

import socket

import pytest
from figures import Histogram, percentile, ratios
from lines import Line
from propagation import ALLOWED, REFUSED, Asking, Outcome, Token


@pytest.fixture
def asking() -> Asking:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Asking(Line(server.getsockname()[1]), Token(b""))


def judged(asking: Asking, status: int) -> Outcome:
    outcome = Outcome("memory")
    outcome.heard(asking, status)
    return outcome


def test_an_allow_for_a_question_sent_after_the_acknowledgement_is_wrong(asking: Asking) -> None:
    asking.about(Token(b"", posted=True, acknowledged=True))
    assert judged(asking, ALLOWED).allowed_after == judged(asking, ALLOWED).wrong == 1
    assert judged(asking, REFUSED).wrong == 0


def test_a_question_sent_before_the_acknowledgement_may_be_answered_after_it(asking: Asking) -> None:
    token = Token(b"", posted=True)
    asking.about(token)
    token.acknowledged = True
    assert judged(asking, ALLOWED).wrong == judged(asking, REFUSED).wrong == 0


def test_a_good_token_must_be_allowed_until_its_revocation_is_posted(asking: Asking) -> None:
    token = Token(b"")
    asking.about(token)
    assert judged(asking, REFUSED).wrong == judged(asking, 503).wrong == 1
    assert judged(asking, ALLOWED).wrong == 0
    token.posted = True
    assert judged(asking, REFUSED).wrong == 0


def test_a_histogram_tells_of_what_came_between_two_looks() -> None:
    def look(*counts: int) -> str:
        return "".join(
            f'h_bucket{{le="{bound}"}} {count}\n' for bound, count in zip(("0.01", "0.1", "+Inf"), counts, strict=True)
        )

    found = Histogram("h", look(50, 50, 50), look(51, 59, 60))
    assert (found.count, found.bound(0.1), found.bound(0.5), found.bound(1.0)) == (10, 0.01, 0.1, float("inf"))


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert [percentile(values, share) for share in (0.5, 0.999, 1.0)] == [500.0, 999.0, 1000.0]
    assert percentile([3.0], 0.5) == 3.0


def test_drift_between_two_well_windows_cancels() -> None:
    assert ratios([2.0, 4.0], [1.0, 3.0, 5.0]) == [1.0, 1.0]
