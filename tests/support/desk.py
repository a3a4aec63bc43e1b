"""A verifier with real tables around it, and issuers whose keys the test holds."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support import jose

from bearerd._native.generations import Generations
from bearerd._native.refused import RefusedTokens
from bearerd._native.revocations import FOREVER, Revocations, pack
from bearerd._native.tokens import TokenCache
from bearerd.config.model import Config, Issuer
from bearerd.decision import Now
from bearerd.issuers import keyset
from bearerd.issuers.keyset import Origin, Validators
from bearerd.issuers.registry import Issuers
from bearerd.limits import Limits
from bearerd.refusals import Code, Refusal
from bearerd.store import entries
from bearerd.verify.budget import Budget
from bearerd.verify.verified import Verified
from bearerd.verify.verifier import TokenVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

WALL = 1_700_000_000
NOW = Now(float(WALL), 5000.0)
ISS = "https://issuer.example"
OTHER = "https://other.example"
LIMITS = Limits()


def later(seconds: float, *, boot: float | None = None) -> Now:
    """``NOW`` so many seconds on (by the wall clock; by the boot clock likewise unless told)."""
    return Now(NOW.wall + seconds, NOW.boot + (seconds if boot is None else boot))


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with these changed; ``...`` leaves one out."""
    said = {"iss": ISS, "sub": "alice", "aud": "api", "iat": WALL - 10, "exp": WALL + 600, "jti": "1"} | changes
    return {name: value for name, value in said.items() if value is not ...}


def token(alg: str = "ES256", *, number: int = 0, header: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """A token of ``claims(**changes)`` under the test's key of that number."""
    head = {"kid": f"{alg}-{number}"} | (header or {})
    members = {name: value for name, value in head.items() if value is not ...}
    return jose.token(alg, claims(**changes), number=number, **members).encode()


def key_set(*keys: dict[str, Any]) -> keyset.KeySet:
    validators = Validators(None, None, float(WALL), math.inf)
    algorithms = ("RS256", "ES256", "EdDSA")
    return keyset.read({"keys": list(keys)}, Origin.NETWORK, validators, algorithms, LIMITS)


def key(of: str = "ES256", number: int = 0, **members: Any) -> dict[str, Any]:
    """The public key of ``token(of, number=number)``."""
    return jose.jwk(jose.KIND[of], number, **({"kid": f"{of}-{number}"} | members))


class Counts:
    """An observer that counts."""

    def __init__(self) -> None:
        self.checks: Counter[tuple[str, str]] = Counter()
        self.long_lived: Counter[str] = Counter()
        self.ahead: dict[str, float] = {}

    def checked(self, alg: str, result: str) -> Callable[[], object]:
        return lambda: self.count(alg, result)

    def count(self, alg: str, result: str) -> None:
        self.checks[alg, result] += 1

    def lifetime_over_hour(self, issuer: str) -> None:
        self.long_lived[issuer] += 1

    def clock_ahead(self, issuer: str, seconds: float) -> None:
        self.ahead[issuer] = seconds


@dataclass
class View:
    table: Revocations


@dataclass
class Desk:
    """Everything around a verifier, within reach of the test."""

    limits: Limits = LIMITS
    issuer: dict[str, Any] = field(default_factory=dict)  # further settings of the issuer ISS
    observer: Counts = field(default_factory=Counts)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        self.generations = Generations()
        self.cache = TokenCache(1000, 1 << 22, Verified.decode)
        self.refused = RefusedTokens(1024)
        self.view = View(Revocations(10_000))
        self.clock = 0  # the ``at`` of revocations
        self.issuers = Issuers(Config(limits=self.limits), self.generations)
        self.configure()
        for issuer in self.issuers:
            issuer.adopt(key_set(key("ES256"), key("RS256"), key("EdDSA")), NOW)

    def configure(self, **changes: Any) -> None:
        """A reload: other issuers (their keys stay), the next generation, and a verifier that asks them."""
        self.issuer |= changes
        config = Config(
            issuer=(Issuer(issuer=ISS, name="main", **self.issuer), Issuer(issuer=OTHER, name="other")),
            limits=self.limits,
        )
        before, self.issuers = self.issuers, self.issuers.reloaded(config)
        for old in before:
            new = self.issuers.find(old.iss)
            if new is not None and new.key_set is old.key_set is not None:
                new.adopt(old.key_set, NOW)  # the reload took them over by the machine's clock, which is not the test's
        self.generations.config += 1
        self.verifier = TokenVerifier(
            self.issuers,
            generations=self.generations,
            cache=self.cache,
            refused=self.refused,
            view=self.view,
            limits=self.limits,
            observer=self.observer,
            budget=self.budget,
        )

    def adopt(self, *keys: dict[str, Any]) -> None:
        """The issuer ISS publishes these keys from now on."""
        issuer = self.issuers.find(ISS)
        assert issuer is not None
        issuer.adopt(key_set(*keys), NOW)

    def verify(self, text: bytes, now: Now = NOW) -> Any:
        return self.verifier.verify_now(text, now)

    def verified(self, text: bytes, now: Now = NOW) -> Verified:
        found = self.verify(text, now)
        assert isinstance(found, Verified), found
        return found

    def code(self, text: bytes, now: Now = NOW) -> Code:
        found = self.verify(text, now)
        assert isinstance(found, Refusal), found
        return found.code

    def checks(self) -> int:
        """Signatures checked so far."""
        return self.observer.checks.total()

    def revoke(self, kind: entries.Kind, value: str, *, issuer: str = ISS, cutoff: int = FOREVER) -> None:
        self.clock += 1
        entry = pack(entries.key(kind, issuer, value), cutoff, FOREVER, self.clock)
        assert self.view.table.apply(entry, WALL) == 1
