"""What belongs to one configuration: the part of a service that a reload replaces, in one assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bearerd.store.entries import API_KEYS

if TYPE_CHECKING:
    from bearerd.apikeys.ring import Ring
    from bearerd.callers import Callers
    from bearerd.config.model import Config
    from bearerd.decision import Now
    from bearerd.issuers.registry import Issuers
    from bearerd.policy.resource import Policy
    from bearerd.store.view import View
    from bearerd.verify.verifier import TokenVerifier


@dataclass(frozen=True, slots=True)
class Current:
    """Also the state that ``policy.decide`` asks for."""

    config: Config
    policy: Policy
    issuers: Issuers
    verifier: TokenVerifier
    callers: Callers
    view: View
    apikeys: Ring

    @property
    def max_staleness(self) -> float:
        return self.config.store.max_staleness

    @property
    def available_for(self) -> float:
        return self.config.store.available_for

    @property
    def revocation_sequence(self) -> int:
        return self.view.table.sequence

    def view_age(self, now: Now) -> float:
        return self.view.age(now)

    def known_age(self, now: Now) -> float:
        return self.view.known_age(now)

    def record_age(self, key_id: str, now: Now) -> float:
        return self.apikeys.age(key_id, now)

    def key_generation(self, issuer: str) -> int:
        if issuer == API_KEYS:
            return self.apikeys.generation
        found = self.issuers.find(issuer)
        return 0 if found is None else found.generation

    def keys_until(self, issuer: str) -> tuple[float, float]:
        if issuer == API_KEYS:
            return math.inf, math.inf  # ``record_age`` bounds it
        found = self.issuers.find(issuer)
        return (-math.inf, -math.inf) if found is None else found.usable_until
