"""Scopes that imply others (``scope_implies``): what a token must have is asked for, and what implies it is good as well."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def implied_by(implies: Mapping[str, Sequence[str]]) -> Mapping[str, frozenset[str]]:
    """Scope -> the others of which any stands for it, through any number of steps."""
    found: dict[str, set[str]] = {}
    for scope in implies:
        waiting, seen = list(implies[scope]), {scope}
        while waiting:
            below = waiting.pop()
            if below not in seen:
                seen.add(below)
                found.setdefault(below, set()).add(scope)
                waiting += implies.get(below, ())
    return MappingProxyType({scope: frozenset(above) for scope, above in found.items()})


def missing(needed: Iterable[str], held: Sequence[str], implied: Mapping[str, frozenset[str]]) -> list[str]:
    """Those of the needed scopes that the held ones are not, and do not imply."""
    return [
        scope for scope in needed if scope not in held and (not implied or implied.get(scope, _NONE).isdisjoint(held))
    ]


_NONE: frozenset[str] = frozenset()
