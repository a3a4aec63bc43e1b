"""One token looked at from scratch: no cache, no revocation, no waiting.

The order of the checks is ``native/examine``'s.  Here stands what is said of a token that is no good, and who is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from orjson import JSONDecodeError

from bearerd._native.examine import LONG_LIVED, Examination, Issuing
from bearerd._native.jws import Malformed
from bearerd.decision import Pending, Wait
from bearerd.errors import BadSignature, JwsError
from bearerd.jws import header
from bearerd.jws.keys import Key
from bearerd.refusals import Code, Refusal
from bearerd.verify import claims, hints, terms
from bearerd.verify.budget import Budget
from bearerd.verify.verified import Claims, Verified

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd._native.claims import Fault
    from bearerd.decision import Now
    from bearerd.issuers.registry import Issuer, Issuers
    from bearerd.jws.header import Header
    from bearerd.limits import Limits

__all__ = ["LONG_LIVED", "Examiner", "Observer", "Silent", "too_large"]


class Observer(Protocol):
    """Who counts what happens here (``bearerd_verifications_total`` and the like)."""

    def checked(self, alg: str, result: str) -> Callable[[], object]:
        """What to call each time that a signature was checked; ``result`` is ``ok`` or ``bad_signature``."""

    def lifetime_over_hour(self, issuer: str) -> None:
        """A token of that issuer (its name in the configuration) verified whose ``exp - iat`` is above an hour."""

    def clock_ahead(self, issuer: str, seconds: float) -> None:
        """A token verified whose ``iat`` lies so far ahead of our clock, which is more than ``cutoff_slack``."""


class Silent:
    """An observer that counts nothing."""

    def checked(self, alg: str, result: str) -> Callable[[], object]:
        """See ``Observer``."""
        return nothing

    def lifetime_over_hour(self, issuer: str) -> None:
        """See ``Observer``."""

    def clock_ahead(self, issuer: str, seconds: float) -> None:
        """See ``Observer``."""


def nothing() -> None:
    """What is called where nobody counts."""


def too_large(size: int) -> Refusal:
    """Of a token of so many bytes; the lane notes no more of it."""
    return Refusal(Code.TOO_LARGE, f"{size} bytes, more than limits.max_token_bytes")


class Examiner(Examination):
    """Examines tokens of these issuers: what is said of those that are no good."""

    def __init__(self, issuers: Issuers, limits: Limits, observer: Observer, budget: Budget | None = None) -> None:
        known = {issuer.iss: _issuing(issuer) for issuer in issuers}
        algorithms = {name for issuer in known.values() for name in issuer.algorithms}
        super().__init__(
            known,
            limits.max_token_bytes,
            limits.max_json_depth,
            limits.max_json_members,
            header.known,
            (budget or Budget()).take,
            {name: observer.checked(name, "ok") for name in algorithms},
            (Key, Verified, Claims),
        )
        self._issuers = issuers
        self._observer = observer
        self._near = hints.NearIssuers(known)

    if TYPE_CHECKING:

        def examine(self, token: bytes, now: Now) -> Verified | Refusal | Pending: ...

    def _faulty(self, fault: Exception) -> Refusal:
        if isinstance(fault, JwsError):
            return fault.refusal
        if isinstance(fault, Malformed):
            return Refusal(Code.MALFORMED_TOKEN, str(fault))
        if isinstance(fault, JSONDecodeError):
            return Refusal(Code.MALFORMED_TOKEN, "the payload is not JSON")
        raise fault

    # ---- of a token whose signature is not checked

    def _too_large(self, size: int) -> Refusal:
        return too_large(size)

    def _stranger(self, iss: object) -> Refusal:
        """Of no configured issuer."""
        if not isinstance(iss, str):
            return Refusal(Code.MISSING_CLAIM, "iss is missing or not a string")
        return Refusal(Code.UNKNOWN_ISSUER, f"no issuer {hints.quoted(iss)} is configured", self._near.to(iss))

    def _other_algorithm(self, name: str, issuer: Issuer) -> Refusal:
        return Refusal(Code.UNSUPPORTED_ALG, f"{name} is not among the algorithms of issuer {issuer.name}")

    def _without_key(self, why: Refusal | Pending, head: Header, issuer: Issuer) -> Refusal | Pending:
        if isinstance(why, Pending):
            return why
        elsewhere = hints.key_elsewhere(head.kid, issuer, self._issuers) if why.code is Code.UNKNOWN_KEY else ()
        return replace(why, hints=(*why.hints, *elsewhere, hints.whose(issuer.name, head.kid)))

    def _in_turn(self, iss: str) -> Pending:
        return Pending(Wait.TURN, iss)

    def _unfit(
        self, fault: tuple[Fault, str], said: dict[str, Any], head: dict[str, Any], issuing: Issuing, time: float
    ) -> Refusal:
        found = claims.refusal(*fault, said, head, issuing.terms, time)
        return replace(found, hints=(*found.hints, hints.whose(issuing.issuer.name)))

    # ---- of a token whose signature was checked

    def _unsigned(self, head: Header, issuer: Issuer, fault: Exception) -> Refusal:
        if not isinstance(fault, BadSignature):
            raise fault
        self._observer.checked(head.alg.name, fault.code)()
        return replace(fault.refusal, hints=(hints.whose(issuer.name, head.kid),))

    def _long_lived(self, issuer: Issuer) -> None:
        self._observer.lifetime_over_hour(issuer.name)

    def _ahead(self, issuer: Issuer, seconds: float) -> None:
        """A cut-off "as of now" would not hold for such a token."""
        self._observer.clock_ahead(issuer.name, seconds)


def _issuing(issuer: Issuer) -> Issuing:
    config = issuer.config
    return Issuing(issuer, terms.of(config), frozenset(config.algorithms), config.cutoff_slack)
