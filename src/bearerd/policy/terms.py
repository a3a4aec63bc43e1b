"""What the tables of a configuration ask of a call itself, compiled: conditions, schemas, patterns and budgets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd.config import budget
from bearerd.config.check_limits import kind_of
from bearerd.mcp import condition, schema
from bearerd.mcp.condition import Condition
from bearerd.mcp.detectors import Detector
from bearerd.mcp.redact import NAMES, Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bearerd.config import model
    from bearerd.mcp.schema import Schema

NOTHING: Final = Watched()
"""No patterns, and the usual names: what holds where a configuration says nothing."""


class Budget(NamedTuple):
    """``rate`` of a rule: what a principal may spend, one for each call (``bearerd.rates``)."""

    name: str  # of the rule: budgets of one name are one
    rate: float  # what comes in, in a second
    burst: float  # the most that it holds
    exact: bool = False  # one for the fleet, asked each time
    local: bool = False  # exact, and the store does not answer: by this process alone, instead of a refusal


def detectors(patterns: Iterable[model.Pattern]) -> dict[str, Detector]:
    """Those of a configuration's own, by name."""
    return {pattern.name: Detector(pattern.name, pattern.pattern) for pattern in patterns}


def watched(*tables: model.Sensitive | None, own: Mapping[str, Detector]) -> Watched:
    """What is looked for under all these tables; of one name the strictest counts."""
    chosen: dict[str, str] = {}
    names: tuple[str, ...] | None = None
    for action in ("flag", "redact", "block"):
        for table in tables:
            chosen.update(dict.fromkeys(getattr(table, action, ()), action))
    for table in tables:
        if table is not None and table.names is not None:
            names = (*(names or ()), *table.names)
    if not chosen and names is None:
        return NOTHING
    made: dict[str, list[Detector]] = {"flag": [], "redact": [], "block": []}
    for name, action in chosen.items():
        made[action].append(own.get(name) or Detector.built_in(name))
    return Watched(**made, names=NAMES if names is None else names)


def condition_of(rule: model.Rule, resource: model.Resource) -> Condition | None:
    """``when``, compiled."""
    return None if rule.when is None else condition.compiled(rule.when, kind_of(resource))


def schema_of(rule: model.Rule) -> Schema | None:
    """``schema``, compiled."""
    return None if rule.arguments_schema is None else schema.of(rule.arguments_schema)


def budget_of(rule: model.Rule, name: str) -> Budget | None:
    """``rate``, and under which name it is counted: another limit, or another rule, begins anew."""
    if rule.rate is None:
        return None
    limit = budget.limit(rule.rate.limit)
    burst = limit.times if rule.rate.burst is None else rule.rate.burst
    return Budget(
        hashlib.sha256(f"{name}\n{rule.model_dump_json(by_alias=True)}".encode()).hexdigest(),
        limit.rate,
        float(burst),
        rule.rate.exact,
        rule.rate.unreachable == "local",
    )
