"""What a process says of itself: names, numbers and faults, for probes and operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from bearerd.policy import staleness
from bearerd.policy.staleness import Serving

if TYPE_CHECKING:
    from bearerd.audit.auditor import Auditor
    from bearerd.decision import Now
    from bearerd.issuers.registry import Issuers, Status
    from bearerd.policy.resource import Policy
    from bearerd.store.archive import Archive
    from bearerd.store.view import View


class Current(staleness.State, Protocol):
    """What is in use (``service.Current``)."""

    @property
    def policy(self) -> Policy: ...
    @property
    def issuers(self) -> Issuers: ...
    @property
    def view(self) -> View: ...


def health(
    current: Current, archive: Archive | None, waiting: int, now: Now, audit: Auditor | None = None
) -> dict[str, Any]:
    """How a process is, JSON-able.

    Ready: some resource is served by what is known of the revocations, and one key set was ever loaded.  One issuer's outage
    is shown and makes nobody unready; so is a view that is too old for strict resources, where others are served by it.
    Tried: some resource is served, and of every key set it is known what it is or why there is none; what is answered then
    is no worse for being answered now.  Neither before the store was asked, or while a worker joins those that follow it: what a
    snapshot knows is only for when it is away, and whoever gives way to us serves strict resources until then.
    An audit sink that takes nothing is shown and makes nobody unready: the same disk or collector may be everybody's.
    """
    view, issuers = current.view, [issuer.status(now) for issuer in current.issuers]
    age, known = view.age(now), view.known_age(now)
    resources = current.policy.resources
    serving = {name: staleness.serving(resource, now, current) for name, resource in resources.items()}
    served = set(serving.values()) != {Serving.REFUSED} if serving else known <= current.available_for
    fresh = served and (view.asked or age <= current.max_staleness)
    return {
        "ready": fresh and (not issuers or any(status.loaded for status in issuers)),
        "tried": fresh and all(status.loaded or status.failing for status in issuers),
        "fresh": fresh,
        "serving": {name: str(state) for name, state in serving.items()},
        "view_age_seconds": _finite(age),
        "known_age_seconds": _finite(known),
        "snapshot": {
            "in_use": known < age,
            "refused": archive and archive.refused and str(archive.refused),
            "failing": archive is not None and archive.failing,
            "of": archive and archive.stamp,
        },
        "audit": audit and {"down": audit.down, "refused": audit.refused},
        "stale": Serving.STALE in serving.values(),
        "store_up": view.problem is None,
        "store_problem": view.problem,
        "revocations": len(view.table),
        "config_generation": current.policy.generation,
        "waiting": waiting,
        "clock_behind_seconds": now.behind,
        "issuers": [_issuer(status) for status in issuers],
    }


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


def _issuer(status: Status) -> dict[str, Any]:
    return {
        "name": status.name,
        "loaded": status.loaded,
        "usable": status.usable,
        "origin": status.origin and str(status.origin),
        "keys": status.keys,
        "last_success": status.last_success,
        "failing": status.failing and str(status.failing),
        "insecure": status.insecure,
    }
