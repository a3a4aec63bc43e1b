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


def of(
    resource: Resource, selected: Selected, verified: Verified, now: Now, state: State, until: float, told: Told
) -> Reuse | None:
    """Only of an allow that follows from (resource, rule, token) alone, and no longer than token, keys, view and what the
    upstream is told are good.
    """
    rule = selected.rule
    if not selected.plain or (resource.sensitive.blocks if rule is None else rule.settles):
        return None
    # By a snapshot, which is as old as any clock says: ask each time.
    if staleness.age(resource, now, state) < state.view_age(now):
        return None
    fresh = now.boot + staleness.left(resource, verified, now, state)
    keys_latest, keys_boot = state.keys_until(verified.issuer)
    found = Reuse(
        resource.name,
        selected.index,
        resource.generation,
        state.key_generation(verified.issuer),
        state.revocation_sequence,
        since_wall=now.latest,
        until_wall=min(until, keys_latest, told.until_wall),
        until_boot=min(now.boot + (until - now.latest), fresh, keys_boot, told.until_boot),
    )
    return cacheable.told(found, resource, verified.expires_at, now)
