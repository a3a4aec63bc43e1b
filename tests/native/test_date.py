"""The date of an HTTP message."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.date import date


@given(st.integers(0, 253_402_300_799))  # to the last second of the year 9999
def test_a_date_is_written_as_the_library_writes_it(second: int) -> None:
    assert date(second) == formatdate(second, usegmt=True).encode()


def test_the_example_of_the_rfc() -> None:
    assert date(784_111_777) == b"Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_time_that_has_no_year_is_the_beginning_of_all() -> None:
    assert date(1 << 62) == b"Thu, 01 Jan 1970 00:00:00 GMT"
