"""Another clock's lead: told only as far as it is certain."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from bearerd.doctor.clocks import of_date, of_moment


def date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def test_a_clock_that_agrees_neither_leads_nor_lags() -> None:
    lead = of_date(date(1000), None, 1000.4, 1000.9)
    assert lead is not None
    assert (lead.ahead, lead.behind) == (0.0, 0.0)
    assert "as far as can be told" in str(lead)


@pytest.mark.parametrize("took", [0.0, 5.0])
def test_a_slow_answer_makes_nobody_s_clock_wrong(took: float) -> None:
    """It may have been written at the beginning of the wait, or at its end."""
    for written in (0.0, took):
        lead = of_date(date(1000 + written), None, 1000.0, 1000.0 + took)
        assert lead is not None
        assert (lead.ahead, lead.behind) == (0.0, 0.0)


def test_a_lead_is_what_is_certain_of_it() -> None:
    lead = of_date(date(1060), None, 1000.0, 1002.0)
    assert lead is not None
    assert lead.ahead == 58.0
    assert str(lead).startswith("58.0 s ahead")


def test_a_lag_is_what_is_certain_of_it() -> None:
    lead = of_date(date(900), None, 1000.5, 1002.0)
    assert lead is not None
    assert lead.behind == 99.5
    assert "behind" in str(lead)


def test_what_lay_in_a_cache_is_reckoned_with() -> None:
    lead = of_date(date(900), "100", 1000.0, 1000.5)
    assert lead is not None
    assert (lead.ahead, lead.behind) == (0.0, 0.0)


@pytest.mark.parametrize(("said", "age"), [(None, None), ("yesterday", None), (date(1), "soon"), (date(1), "9" * 12)])
def test_what_cannot_be_read_tells_nothing(said: str | None, age: str | None) -> None:
    assert of_date(said, age, 0.0, 1.0) is None


def test_a_moment_with_a_fraction_is_compared_by_it() -> None:
    lead = of_moment(1000.25, 1000.0, 1000.1)
    assert round(lead.ahead, 2) == 0.15
