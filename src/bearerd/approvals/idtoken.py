"""The ID token of a sign-in (OpenID Connect Core, section 3.1.3.7), read by the same parser and keys as every token.

It says who sat before the browser and when they last showed it.  It is no access token: nothing but this page takes it, and
what this page takes is nothing else (``aud`` is the page's own client, ``nonce`` this very sign-in).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd._native import jws as _native
from bearerd.errors import JwsError
from bearerd.issuers.keyset import Miss
from bearerd.jws import header

if TYPE_CHECKING:
    from bearerd.issuers.keyset import KeySet
    from bearerd.limits import Limits

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "PS256", "RS384", "RS512", "ES384", "ES512", "PS384", "PS512")
LEEWAY: Final = 30.0  # seconds between the provider's clock and ours
MOST_BYTES: Final = 32 * 1024  # groups make it long


class NotSignedIn(Exception):
    """The sign-in does not count.  Its text is for the log."""


class UnknownKey(NotSignedIn):
    """The key set does not hold the token's key: a newer one may."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What this sign-in must say."""

    issuer: str
    client_id: str
    nonce: str
    since: float  # epoch seconds: when it was begun; whoever was signed in before must have shown it again


def read(token: str, keys: KeySet, expected: Expected, now: float, limits: Limits) -> dict[str, Any]:
    """The claims, all of them checked.  Raises NotSignedIn."""
    claims = _verified(token, keys, limits)
    if claims.get("iss") != expected.issuer:
        raise NotSignedIn("iss is another issuer")
    _check_audience(claims, expected.client_id)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise NotSignedIn("nonce is not of this sign-in")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise NotSignedIn("sub is missing")
    if now >= _time(claims, "exp") + LEEWAY or _time(claims, "iat") > now + LEEWAY:
        raise NotSignedIn("exp has passed, or iat lies in the future")
    shown = _time(claims, "auth_time")
    if shown > now + LEEWAY:
        raise NotSignedIn("auth_time lies in the future")
    if shown < expected.since - LEEWAY:
        raise NotSignedIn("auth_time is before this sign-in: the provider did not ask the person again")
    return claims


def _verified(token: str, keys: KeySet, limits: Limits) -> dict[str, Any]:
    if not token.isascii() or len(token) > MOST_BYTES:
        raise NotSignedIn("the ID token is too long, or no token")
    try:
        compact = _native.split(token.encode(), limits.max_json_depth, limits.max_json_members)
        head = header.read(compact.header)
        if head.alg.name not in ALGORITHMS:
            raise NotSignedIn("its algorithm is not one of those for sign-ins")
        key = keys.find(head.alg.name, head.kid)
        if isinstance(key, Miss):
            raise UnknownKey(str(key))
        key.verify(head.alg, compact.signing_input, compact.signature)
        found: dict[str, Any] = orjson.loads(compact.payload)
    except (_native.Malformed, orjson.JSONDecodeError):
        raise NotSignedIn("the ID token is malformed") from None
    except JwsError as error:
        raise NotSignedIn(f"the ID token is refused: {error.refusal.code}") from None
    return found


def _check_audience(claims: dict[str, Any], client_id: str) -> None:
    """Of several audiences the authorised party must be us (section 3.1.3.7, 3 to 5)."""
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client_id not in named:
        raise NotSignedIn("aud is not this page's client")
    party = claims.get("azp")
    if (len(named) > 1 or party is not None) and party != client_id:
        raise NotSignedIn("azp is not this page's client")


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotSignedIn(f"{name} is missing or no number")
    return float(value)
