"""Which decisions leave an audit record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from bearerd.config.model import Audit, Config, Resource
    from bearerd.decision import Decision


class Wanted(NamedTuple):
    """Of one resource."""

    allows: float  # the share of them
    refusals: bool
    all: bool = False  # none is made without its record


ALL: Final = Wanted(1.0, refusals=True, all=True)
NONE: Final = Wanted(0.0, refusals=False)
ELSEWHERE: Final = Wanted(0.0, refusals=True)  # of no resource


def wanted(config: Config) -> dict[str, Wanted]:
    """By resource; nothing where there is no sink."""
    if not config.audit.sinks:
        return {}
    return {name: _of(resource, config.audit) for name, resource in config.resource.items()}


def _of(resource: Resource, audit: Audit) -> Wanted:
    said = resource.audit
    if said is None:
        said = "all" if getattr(resource, "kind", "http") == "mcp" else audit.share
    if said == "all":
        return ALL
    if said == "none":
        return NONE
    return Wanted(0.0 if said == "refusals" else float(said), refusals=True)


class Shares:
    """Takes each share of allows evenly, so that one of 0.01 is each hundredth."""

    def __init__(self) -> None:
        self._owed: dict[str, float] = {}

    def due(self, decision: Decision, of: Wanted) -> bool:
        """Whether this one leaves a record."""
        if not decision.allowed or decision.would_refuse:
            return of.refusals
        if of.allows >= 1.0 or of.allows <= 0.0:
            return of.allows >= 1.0
        owed = self._owed.get(decision.resource, 0.0) + of.allows
        self._owed[decision.resource] = owed - 1.0 if owed >= 1.0 else owed
        return owed >= 1.0
