"""Durations in configuration: ``"30s"``, ``"1h"``, ``"500ms"``; kept as seconds."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_LONGEST = 3650 * 86400.0  # keeps every sum of a time and a duration well inside the 32 bits of a stored entry
_SHARES = frozenset({"log_allows", "share", "audit"})

FROM_FILE = {"from_file": True}
"""The validation context of ``load``: there a duration is a string with a unit, and nothing else."""


def seconds(value: Any) -> float:
    """A duration string as seconds.  Raises ValueError."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a duration is a whole number and a unit, such as "30s", "500ms", "90m", "26h" or "3d"')
    return int(match[1]) * _UNITS[match[2]]


def _seconds(value: Any, info: ValidationInfo) -> float:
    """The same for a key.  Raises ValueError.

    A number is taken as seconds only where Python code builds a model: in a file its unit would be a guess, and ``nan``
    (which TOML has) would make every comparison of an age false, that is: every view fresh.
    """
    if isinstance(value, float) and math.isfinite(value) and not info.context:
        return value
    return seconds(value)


def spelled(value: float) -> str:
    """Seconds in the largest unit that divides them: what the effective configuration prints."""
    for unit in ("d", "h", "m", "s"):
        if value >= _UNITS[unit] and value % _UNITS[unit] == 0:
            return f"{int(value // _UNITS[unit])}{unit}"
    return f"{round(value * 1000)}ms"


def rounded_up(value: float) -> str:
    """Seconds in whole hours (minutes below two hours), never fewer: what a remedy proposes."""
    unit = "h" if value > 2 * _UNITS["h"] else "m"
    return f"{math.ceil(value / _UNITS[unit])}{unit}"


def is_duration(name: str, value: Any) -> bool:
    """Whether a field holds a duration: all numbers with a fraction do, but for the shares of a whole."""
    return isinstance(value, float) and name not in _SHARES


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=_LONGEST)]
"""A positive span of time (seconds)."""

Span = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=_LONGEST)]
"""A span of time that may be zero (seconds)."""
