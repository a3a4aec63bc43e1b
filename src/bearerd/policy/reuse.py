"""For how long an allow may be given again for the same token under the same rule (``Decision.reuse``, G4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bearerd.decision import Reuse
from bearerd.policy import cacheable, staleness

if TYPE_CHECKING:
    from bearerd.decision import Now
    from bearerd.policy.identity import Told
    from bearerd.policy.resource import Resource
    from bearerd.policy.rules import Selected
    from bearerd.verify.verified import Verified


class State(staleness.State, Protocol):
    """What a worker knows beside the token: how fresh its view is, and the generations that a decision is made under."""

    @property
    def revocation_sequence(self) -> int:
        """Grows with each change of what is revoked here (the native table's ``sequence``)."""

    def key_generation(self, issuer: str) -> int:
        """The generation of this issuer's (``iss``) key set."""

    def keys_until(self, issuer: str) -> tuple[float, float]:
        """When (the latest time and boot time, seconds) that set is too old unless it is confirmed before."""


def ends(
    resource: Resource, selected: Selected, verified: Verified, now: Now, state: State
) -> tuple[float, float] | None:
    """When (the latest time and boot time, seconds) token, keys or view are good no longer.

    None where an allow does not follow from (resource, rule, token) alone.
    """
    rule = selected.rule
    if not selected.plain or (resource.sensitive.blocks if rule is None else rule.settles):
        return None
    # By a snapshot, which is as old as any clock says: ask each time.
    if not resource.strict and staleness.age(resource, now, state) < state.view_age(now):
        return None
    until = verified.expires_at + resource.issuers[verified.issuer]
    keys_latest, keys_boot = state.keys_until(verified.issuer)
    fresh = now.boot + staleness.left(resource, verified, now, state)
    return min(until, keys_latest), min(now.boot + (until - now.latest), fresh, keys_boot)


def of(resource: Resource, selected: Selected, verified: Verified, now: Now, state: State, told: Told) -> Reuse | None:
    """The same of an allow that this is ``told`` with, which may end sooner."""
    found = ends(resource, selected, verified, now, state)
    if found is None:
        return None
    made = Reuse(
        resource.name,
        selected.index,
        resource.generation,
        state.key_generation(verified.issuer),
        state.revocation_sequence,
        since_wall=now.latest,
        until_wall=min(found[0], told.until_wall),
        until_boot=min(found[1], told.until_boot),
    )
    return cacheable.told(made, resource, verified.expires_at, now)
