"""How far another clock leads ours, by what a reply says of its time: a range, since nobody knows when it was written."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Lead:
    """Seconds by which the other clock is ahead, at least and at most; negative: behind."""

    least: float
    most: float

    @property
    def ahead(self) -> float:
        """Seconds by which it certainly leads; 0: perhaps not at all."""
        return max(0.0, self.least)

    @property
    def behind(self) -> float:
        """Seconds by which it certainly lags."""
        return max(0.0, -self.most)

    def __str__(self) -> str:
        if self.ahead:
            return f"{self.ahead:.1f} s ahead of ours"
        return f"{self.behind:.1f} s behind ours" if self.behind else "as ours, as far as can be told"


def of_moment(said: float, asked: float, came: float, resolution: float = 0.0) -> Lead:
    """The reply said ``said`` (cut to ``resolution``), and was written between ``asked`` and ``came`` of our clock."""
    return Lead(said - came, said + resolution - asked)


def of_date(date: str | None, age: str | None, asked: float, came: float) -> Lead | None:
    """By an HTTP answer's Date, and Age where a cache gave it (RFC 9111 section 4.2.3); None: it says neither well."""
    seconds = age.strip() if age else "0"
    if date is None or not (seconds.isascii() and seconds.isdigit() and len(seconds) < 10):
        return None
    try:
        said = parsedate_to_datetime(date).timestamp() + int(seconds)
    except (ValueError, TypeError, OverflowError):
        return None
    return of_moment(said, asked, came, 2.0 if age else 1.0)  # both are cut to whole seconds
