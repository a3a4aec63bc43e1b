"""Cross-checks of what claims are to be, in rules and of approvers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.config.problems import Problems

_LEAST: Final = -(1 << 63)
_MOST: Final = (1 << 64) - 1


def check_claims(key: str, claims: Mapping[str, str | float | bool], problems: Problems) -> None:
    """Of one table ``claims``.

    TOML has numbers that JSON has not, or that its readers here do not keep: no token could hold them, nor could a worker be
    told of them.
    """
    for path, value in claims.items():
        if not path:
            problems.add(key, "an empty claim path", "name a claim")
        if isinstance(value, float) and not math.isfinite(value):
            problems.add(key, f'"{path}" can never equal {value}', "write a finite number")
        elif isinstance(value, int) and not _LEAST <= value <= _MOST:
            problems.add(
                key, f'"{path}" can never equal {value}, which 64 bits do not hold', "write a smaller number, or a text"
            )
