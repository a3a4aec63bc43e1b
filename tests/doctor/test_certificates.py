"""When a certificate ends soon: by the days that are left, and by how long it was made for."""

from __future__ import annotations

import pytest

from bearerd.doctor.certificates import Lifetime, shown, tell
from bearerd.doctor.finding import Notebook

DAY = 86400.0


@pytest.mark.parametrize(
    ("days", "left", "soon"), [(90, 30, False), (90, 13, True), (90, -1, True), (6, 3, False), (6, 1, True)]
)
def test_a_short_lived_certificate_is_warned_of_in_its_last_quarter_only(days: int, left: int, soon: bool) -> None:
    assert Lifetime(0.0, days * DAY).soon((days - left) * DAY) is soon


async def test_where_nobody_listens_there_is_none_to_be_seen() -> None:
    found = await shown("127.0.0.1", 1, "a.test", None)
    assert found is None
    notes = Notebook("x")
    tell(found, "a.test:443", notes)
    assert [one.severity.value for one in notes.findings] == ["note"]
