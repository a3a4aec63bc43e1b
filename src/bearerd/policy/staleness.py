"""How old the view of the revocations may be for a resource, and how the resource is served by it (G2).

Strict resources go by the heartbeats of this process alone: whoever waits for a revocation to be in force everywhere waits for
the leases that were taken with them.  Available ones go by whatever is known, a snapshot on disk included, and for longer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from bearerd.store.entries import API_KEYS

if TYPE_CHECKING:
    from bearerd.decision import Now
    from bearerd.policy.resource import Resource
    from bearerd.verify.verified import Verified


class State(Protocol):
    """What a worker knows of its view's age."""

    @property
    def max_staleness(self) -> float:
        """The age of the view (seconds) up to which ``strict`` resources are served."""

    @property
    def available_for(self) -> float:
        """The same for ``available`` ones."""

    def view_age(self, now: Now) -> float:
        """Seconds since this process knew the view to be whole; infinite if it never did."""

    def known_age(self, now: Now) -> float:
        """The same, or by the snapshot that it started from."""

    def record_age(self, key_id: str, now: Now) -> float:
        """Seconds since this process read that API key's record; infinite if it never did."""


def left(resource: Resource, verified: Verified, now: Now, state: State) -> float:
    """For how long (seconds) an allow may be given again without a look at all of this.

    An API key's record is read again while somebody asks for it: whatever the resource puts up with, it is asked for in time.
    """
    view = limit(resource, state) - age(resource, now, state)
    if verified.issuer != API_KEYS or verified.client is None:
        return view
    return min(view, state.max_staleness - state.record_age(verified.client, now))


class Serving(StrEnum):
    """How a resource is served: a label of the metrics (``metrics.SERVING``)."""

    FRESH = "fresh"
    STALE = "stale"  # available: what was revoked since may be allowed
    REFUSED = "refused"  # 503 stale_state


def age(resource: Resource, now: Now, state: State) -> float:
    """The age (seconds) that counts for a resource."""
    return state.view_age(now) if resource.strict else state.known_age(now)


def age_for(resource: Resource, verified: Verified, now: Now, state: State) -> float:
    """The same for a token or an API key: of what is known of it, its record too, the oldest counts."""
    view = age(resource, now, state)
    if verified.issuer != API_KEYS or verified.client is None:
        return view
    return max(view, state.record_age(verified.client, now))


def limit(resource: Resource, state: State) -> float:
    """The age (seconds) up to which it is served."""
    return state.max_staleness if resource.strict else state.available_for


def serving(resource: Resource, now: Now, state: State) -> Serving:
    """How it is served now."""
    if not age(resource, now, state) <= limit(resource, state):  # also true for what is not a number
        return Serving.REFUSED
    return Serving.FRESH if state.view_age(now) <= state.max_staleness else Serving.STALE
