"""Resources, verified tokens and a worker's state for tests of the policy, as small as a test needs them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from bearerd.config.model import Config
from bearerd.decision import Decision, Now
from bearerd.policy.decide import decide_now
from bearerd.policy.resource import Policy, Resource
from bearerd.policy.rules import select_rule
from bearerd.refusals import Refusal
from bearerd.request import Request, of
from bearerd.verify.verified import Claims, Verified

ISSUER = "https://a.example"
OTHER_ISSUER = "https://b.example"
AUDIENCE = "https://api.example"
NOW = Now(wall=1_000_000.0, boot=5_000.0)
GENERATION = 7


def resource(*rules: dict[str, Any], name: str = "api", **table: Any) -> Resource:
    """A compiled resource; two issuers are configured, ``ISSUER`` with a leeway of 30 s."""
    table = {"identifier": AUDIENCE} | table | {"rule": rules}
    issuers = [{"issuer": ISSUER, "name": "a", "leeway": "30s"}, {"issuer": OTHER_ISSUER, "name": "b"}]
    config = Config.model_validate({"issuer": issuers, "resource": {name: table}})
    return Policy(config, GENERATION).resources[name]


def verified(**fields: Any) -> Verified:
    """A good token of ``ISSUER`` for ``AUDIENCE``, good for 600 more seconds."""
    defaults: dict[str, Any] = {
        "issuer": ISSUER,
        "subject": "alice",
        "client": "app",
        "session": None,
        "scopes": (),
        "roles": (),
        "audience": (AUDIENCE,),
        "issued_at": NOW.wall - 60,
        "expires_at": NOW.wall + 600,
        "token_id": "00" * 32,
        "thumbprint": "thumb",
        "alg": "RS256",
        "kid": "k1",
        "confirmed": False,
        "claims": Claims.of({"sub": "alice"}),
        "key_generation": 3,
    }
    if "claims" in fields:
        fields["claims"] = Claims.of(fields["claims"])
    return Verified(**(defaults | fields))


@dataclass
class State:
    """A worker's state, settable."""

    age: float = 1.0
    known: float = math.inf  # by a snapshot
    max_staleness: float = 30.0
    available_for: float = 3600.0
    revocation_sequence: int = 11
    until: tuple[float, float] = (math.inf, math.inf)  # of the keys
    key_generations: dict[str, int] = field(default_factory=lambda: {ISSUER: 3, OTHER_ISSUER: 5})

    def view_age(self, now: Now) -> float:
        return self.age + (now.boot - NOW.boot)

    def known_age(self, now: Now) -> float:
        return min(self.age, self.known) + (now.boot - NOW.boot)

    def keys_until(self, issuer: str) -> tuple[float, float]:
        return self.until

    def key_generation(self, issuer: str) -> int:
        return self.key_generations[issuer]


def asked(
    method: str | None = "GET", target: bytes | None = b"/", *headers: tuple[bytes, bytes], **options: Any
) -> Request:
    """A request of a trusted peer."""
    return of(method, target, "api.example", headers, **({"trusted": True} | options))


def decided(
    judged: Resource,
    request: Request,
    subject: Verified | Refusal | None = None,
    now: Now = NOW,
    state: State | None = None,
) -> Decision:
    """The decision on a request, as the flow makes it."""
    selected = select_rule(judged, request)
    if isinstance(selected, Refusal) or not selected.needs_credential:
        subject = None
    decision = decide_now(judged, selected, subject, request, now, state or State())
    assert isinstance(decision, Decision)
    return decision
