"""One token looked at from scratch: no cache, no revocation, no waiting.

Nothing that a token says is believed before its signature; until then ``iss`` is a look-up key, and the cheap checks
can only refuse.  The signature, by far the dearest step, comes last.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from bearerd._native import jws as _native
from bearerd._native.sha256 import sha256
from bearerd.decision import Pending, Wait
from bearerd.errors import BadSignature, JwsError, MalformedToken, UnsupportedAlg
from bearerd.jws import header
from bearerd.jws.keys import Key
from bearerd.refusals import Code, Refusal
from bearerd.verify import claims, hints, paths
from bearerd.verify.budget import Budget
from bearerd.verify.terms import Terms
from bearerd.verify.verified import Claims, Verified

if TYPE_CHECKING:
    from bearerd.decision import Now
    from bearerd.issuers.registry import Issuer, Issuers
    from bearerd.jws.header import Header
    from bearerd.limits import Limits

LONG_LIVED: Final = 3600.0  # seconds; tokens that live longer are counted and warned of


class Observer(Protocol):
    """Who counts what happens here (``bearerd_verifications_total`` and the like)."""

    def verification(self, alg: str, result: str) -> None:
        """A signature was checked; ``result`` is ``ok`` or ``bad_signature``."""

    def lifetime_over_hour(self, issuer: str) -> None:
        """A token of that issuer (its name in the configuration) verified whose ``exp - iat`` is above an hour."""

    def clock_ahead(self, issuer: str, seconds: float) -> None:
        """A token verified whose ``iat`` lies so far ahead of our clock, which is more than ``cutoff_slack``."""


class Silent:
    """An observer that counts nothing."""

    def verification(self, alg: str, result: str) -> None:
        """See ``Observer``."""

    def lifetime_over_hour(self, issuer: str) -> None:
        """See ``Observer``."""

    def clock_ahead(self, issuer: str, seconds: float) -> None:
        """See ``Observer``."""


def too_large(size: int) -> Refusal:
    """Of a token of so many bytes; the lane notes no more of it."""
    return Refusal(Code.TOO_LARGE, f"{size} bytes, more than limits.max_token_bytes")


class Examiner:
    """Examines tokens of these issuers."""

    def __init__(self, issuers: Issuers, limits: Limits, observer: Observer, budget: Budget | None = None) -> None:
        self._issuers = issuers
        self._known = {issuer.iss: (issuer, Terms.of(issuer.config)) for issuer in issuers}
        self._budget = budget or Budget()
        self._most_bytes = limits.max_token_bytes
        self._most_json = limits.max_json_depth, limits.max_json_members
        self._observer = observer
        self._near = hints.NearIssuers(self._known)

    def examine(self, token: bytes, now: Now) -> Verified | Refusal | Pending:
        """Verify a token.  Pending: its key may come with the issuer's next key set."""
        try:
            return self._examine(token, now)
        except JwsError as fault:
            return fault.refusal

    def _examine(self, token: bytes, now: Now) -> Verified | Refusal | Pending:
        if len(token) > self._most_bytes:
            return too_large(len(token))
        try:
            compact = _native.split(token, *self._most_json)
        except _native.Malformed as fault:
            raise MalformedToken(str(fault)) from None
        head, said = header.known(compact.header), _payload(compact.payload)
        known = self._known.get(iss) if isinstance(iss := said.get("iss"), str) else None
        if known is None:
            return self._stranger(iss)
        issuer, terms = known
        if head.alg.name not in terms.algorithms:
            raise UnsupportedAlg(f"{head.alg.name} is not among the algorithms of issuer {issuer.name}")
        refusal = claims.check(said, head.members, terms, now)
        if refusal is not None:
            return refusal
        key = issuer.select(head.alg, head.kid, now)
        if not isinstance(key, Key):
            return self._without_key(key, head, issuer)
        if not self._budget.take(issuer.iss):
            return Pending(Wait.TURN, issuer.iss)
        self._check_signature(head, key, compact)
        self._tell_of(said, issuer, terms, now)
        return _read(said, head, key, issuer, terms, compact)

    def _stranger(self, iss: object) -> Refusal:
        """Of no configured issuer."""
        if not isinstance(iss, str):
            return Refusal(Code.MISSING_CLAIM, "iss is missing or not a string")
        return Refusal(Code.UNKNOWN_ISSUER, f"no issuer {hints.quoted(iss)} is configured", self._near.to(iss))

    def _without_key(self, why: Refusal | Pending, head: Header, issuer: Issuer) -> Refusal | Pending:
        if isinstance(why, Refusal) and why.code is Code.UNKNOWN_KEY:
            return replace(why, hints=why.hints + hints.key_elsewhere(head.kid, issuer, self._issuers))
        return why

    def _check_signature(self, head: Header, key: Key, compact: _native.Compact) -> None:
        try:
            key.verify(head.alg, compact.signing_input, compact.signature)
        except BadSignature as fault:
            self._observer.verification(head.alg.name, fault.code)
            raise
        self._observer.verification(head.alg.name, "ok")

    def _tell_of(self, said: claims.Claims, issuer: Issuer, terms: Terms, now: Now) -> None:
        """What an operator should know of an issuer, now that it is certain that these claims are its own."""
        issued = said["iat"]
        if said["exp"] - issued > LONG_LIVED:
            self._observer.lifetime_over_hour(issuer.name)
        ahead = issued - now.latest
        if ahead > terms.cutoff_slack:  # a cut-off "as of now" would not hold for it
            self._observer.clock_ahead(issuer.name, ahead)


def _payload(text: bytes) -> dict[str, Any]:
    """The claims set (RFC 7519 section 7.2); ``split`` has seen that it is an object without duplicate members."""
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedToken("the payload is not JSON") from None
    if not isinstance(said, dict):
        raise MalformedToken("the payload is not an object")
    return said


def _read(
    said: claims.Claims, head: Header, key: Key, issuer: Issuer, terms: Terms, compact: _native.Compact
) -> Verified:
    """What the policy needs of claims that may now be believed."""
    get = said.get
    return tuple.__new__(  # as Verified(…), without a call of Python's for each new token
        Verified,
        (
            said["iss"],
            get("sub"),
            claims.client(said),
            get("sid"),
            paths.scopes(said, terms.scope_claims),
            paths.roles(said, terms.role_claims),
            claims.audience(said),
            said["iat"],
            said["exp"],
            sha256(compact.signing_input).hex(),
            key.thumbprint,
            head.alg.name,
            head.kid,
            "cnf" in said,
            issuer.generation,
            Claims(compact.payload, said),
        ),
    )
