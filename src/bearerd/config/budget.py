"""Limits of rate in configuration: ``"30/m"``, thirty in a minute."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LIMIT: Final = re.compile(r"([1-9][0-9]{0,6})/([smhd])")


class Limit(NamedTuple):
    """So many within so many seconds."""

    times: int
    seconds: int

    @property
    def rate(self) -> float:
        """In a second."""
        return self.times / self.seconds


def limit(text: str) -> Limit:
    """Raises ValueError."""
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a rate')
    return Limit(int(found[1]), _UNITS[found[2]])
