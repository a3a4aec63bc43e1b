"""Cross-checks of ``scope_implies``: who has one scope has others, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bearerd.config.model import Resource
    from bearerd.config.problems import Problems


def check_scopes(resources: Mapping[str, Resource | None], problems: Problems) -> None:
    """Of every resource that has such."""
    for name, resource in resources.items():
        if resource is None:
            continue
        key = f"resource.{name}.scope_implies"
        for scope, implied in resource.scope_implies.items():
            if not implied:
                problems.add(key, f'"{scope}" implies nothing', "name what it implies, or remove it")
        round_trip = _cycle(resource.scope_implies)
        if round_trip is not None:
            remedy = "let only one of them imply the others: scopes that imply each other are one scope"
            problems.add(key, f"goes in a circle: {' → '.join(round_trip)}", remedy)


def _cycle(implies: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Scopes that imply each other, the first of them again at the end; None where none do."""
    done: set[str] = set()
    for start in implies:
        if start in done:
            continue
        path: list[str] = []
        waiting = [(start, 0)]
        while waiting:
            scope, depth = waiting.pop()
            del path[depth:]
            if scope in path:
                return [*path[path.index(scope) :], scope]
            if scope in done and depth:
                continue
            path.append(scope)
            done.add(scope)
            waiting += [(implied, depth + 1) for implied in implies.get(scope, ())]
    return None
