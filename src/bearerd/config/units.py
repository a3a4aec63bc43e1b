"""Durations in configuration: ``"30s"``, ``"1h"``, ``"500ms"``; kept as seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")


def seconds(value: Any) -> float:
    """A duration string as seconds.  Raises ValueError."""
    if isinstance(value, float):
        return value  # a default, in seconds already
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a duration is a whole number and a unit, such as "30s", "500ms", "90m", "26h" or "3d"')
    return int(match[1]) * _UNITS[match[2]]


def spelled(value: float) -> str:
    """Seconds in the largest unit that divides them: what the effective configuration prints."""
    for unit in ("d", "h", "m", "s"):
        if value >= _UNITS[unit] and value % _UNITS[unit] == 0:
            return f"{int(value // _UNITS[unit])}{unit}"
    return f"{round(value * 1000)}ms"


Duration = Annotated[float, BeforeValidator(seconds)]
