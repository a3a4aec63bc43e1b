"""How resources are served by the view of the revocations, in metrics and, once an episode, in the log (G2)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from bearerd.policy.staleness import Serving, serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.decision import Now
    from bearerd.metrics import Metrics
    from bearerd.policy.resource import Resource
    from bearerd.policy.staleness import State

_WORDS: Final = {
    Serving.FRESH: (logging.INFO, "resources are served by a fresh view again"),
    Serving.STALE: (logging.WARNING, "resources are served by a stale view: what was revoked since may be allowed"),
    Serving.REFUSED: (
        logging.ERROR,
        "resources are refused: the view of the revocations is older than they may be served by",
    ),
}
_WARNED_AFTER: Final = 1 / 3  # of max_staleness: before anything is refused
_LOGGER: Final = logging.getLogger("bearerd.freshness")


class Freshness:
    """One a process; ``look`` is called every second or so."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._names: set[str] = set()
        self._before: dict[str, Serving] = {}  # kind -> how its resources were served at the last look
        self._since: dict[str, float] = {}  # kind -> boot time at which they ceased to be served by a fresh view
        self._lost: float | None = None  # boot time as of which the store was told to be lost

    def look(
        self, resources: Mapping[str, Resource], now: Now, state: State, *, asked: bool, problem: str | None = None
    ) -> None:
        """Bring the metrics up to date, and tell what has changed.

        ``asked``: a heartbeat counted since the start, or the store failed.  Before that nobody knows anything, and that is no news.
        ``problem``: why it does not answer, which is why a view grows old.
        """
        kinds: dict[str, list[str]] = {}
        found: dict[str, Serving] = {}
        for name, resource in resources.items():
            kind = "strict" if resource.strict else "available"
            kinds.setdefault(kind, []).append(name)
            found[kind] = serving(resource, now, state)  # the same for all of a kind
            for one in Serving:
                self._metrics.set(float(one is found[kind]), "bearerd_resource_serving", name, one)
        for name in self._names - set(resources):
            for one in Serving:
                self._metrics.hide("bearerd_resource_serving", name, one)
        self._names = set(resources)
        if asked:
            self._tell_of_store(now, state, problem)
            for kind, one in found.items():
                self._tell(kind, one, kinds[kind], now, state, problem)
            self._before = found

    def _tell_of_store(self, now: Now, state: State, problem: str | None) -> None:
        """A store that was followed and is not: the last chance to mend it before resources are served otherwise."""
        age = state.view_age(now)
        if (
            self._lost is None
            and problem is not None
            and _WARNED_AFTER * state.max_staleness <= age < state.max_staleness
        ):
            self._lost = now.boot - age
            told = {"view_age": round(age, 1), "max_staleness": state.max_staleness, "store": problem}
            _LOGGER.warning("the store cannot be followed: what is revoked meanwhile is not known here", extra=told)
        elif self._lost is not None and problem is None:
            _LOGGER.info("the store is followed again", extra={"after": round(now.boot - self._lost, 1)})
            self._lost = None

    def _tell(self, kind: str, one: Serving, names: list[str], now: Now, state: State, problem: str | None) -> None:
        before = self._before.get(kind, Serving.FRESH)
        if one is before:
            return
        since = self._since.setdefault(kind, now.boot)
        known = state.known_age(now)
        told = {
            "staleness": kind,
            "resources": sorted(names),
            "view_age": round(known, 1) if known < float("inf") else None,
            "from_snapshot": known < state.view_age(now),
            "max_staleness": state.max_staleness,
            "available_for": state.available_for,
        }
        if one is Serving.FRESH:
            told["after"] = round(now.boot - since, 1)
            del self._since[kind]
        elif problem is not None:
            told["store"] = problem
        level, words = _WORDS[one]
        _LOGGER.log(level, "%s %s", kind, words, extra=told)
