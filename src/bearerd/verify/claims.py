"""What a token must claim before its signature is worth checking, and what is read of it afterwards.

RFC 7519 section 4.1, RFC 8725 section 3, RFC 9068 section 2.2; contracts, section 2.  Every check is a function of the
claims, the issuer's terms and the time; the first that fails is the answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

from bearerd.refusals import Code, Refusal
from bearerd.verify import hints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.decision import Now
    from bearerd.verify.terms import Terms

Claims = dict[str, Any]

CLIENT_CLAIMS: Final = ("client_id", "azp", "appid", "cid")  # RFC 9068; OpenID Connect and Auth0; Entra v1; Okta

_OTHER_KINDS: Final = frozenset({"id", "refresh", "offline", "logout"})  # Keycloak's payload ``typ``
_OTHER_MARKS: Final = ("at_hash", "c_hash", "events")  # of ID tokens; of logout tokens and security events
# A claim by which tokens are revoked must be what the revocation names: a token whose jti is the number 7 would not be
# found under "7".
_STRINGS: Final = ("sub", "jti", "sid", *CLIENT_CLAIMS)
_TIMES: Final = ("exp", "iat", "nbf")


def check(claims: Claims, header: Mapping[str, Any], terms: Terms, now: Now) -> Refusal | None:
    """Why these claims are refused, whoever signed them; None if they are not.

    ``iss`` is not looked at: it chose ``terms``.  Codes: wrong_type, missing_claim, expired, not_yet_valid,
    too_long_lived.
    """
    return _check_type(claims, header, terms) or _check_shapes(claims, terms) or _check_times(claims, terms, now.latest)


def client(claims: Claims) -> str | None:
    """The OAuth client that the token was issued to."""
    for name in CLIENT_CLAIMS:
        if name in claims:
            return cast("str", claims[name])
    return None


def audience(claims: Claims) -> tuple[str, ...]:
    """``aud``, one string or a list of them (RFC 7519 section 4.1.3)."""
    value = claims.get("aud", ())
    return (value,) if isinstance(value, str) else tuple(value)


def _check_type(claims: Claims, header: Mapping[str, Any], terms: Terms) -> Refusal | None:
    """An access token, as far as it says: ID tokens, refresh tokens, logout tokens and ID-JAGs are none."""
    if "typ" not in header:
        if terms.typed:
            return Refusal(Code.WRONG_TYPE, "the header has no typ, and at+jwt is required")
    elif not isinstance(typ := header["typ"], str) or typ.lower() not in terms.types:
        return Refusal(Code.WRONG_TYPE, f"typ is {hints.quoted(typ)}, not {' or '.join(sorted(terms.types))}")
    if "typ" in claims and (not isinstance(kind := claims["typ"], str) or kind.lower() in _OTHER_KINDS):
        return Refusal(Code.WRONG_TYPE, f"the payload's typ is {hints.quoted(kind)}: not an access token")
    for name in _OTHER_MARKS:
        if name in claims:
            return Refusal(Code.WRONG_TYPE, f"{name} marks an ID, logout or security event token")
    return None


def _check_shapes(claims: Claims, terms: Terms) -> Refusal | None:
    """The claims that are required, and the JSON types of those that anything here relies on."""
    for name in terms.required:
        if name not in claims:
            return Refusal(Code.MISSING_CLAIM, f"{name} is missing")
    for name in _TIMES:
        if name in claims and not _is_number(claims[name]):
            return Refusal(Code.MISSING_CLAIM, f"{name} is not a number")
    for name in _STRINGS:
        if name in claims and not isinstance(claims[name], str):
            return Refusal(Code.MISSING_CLAIM, f"{name} is not a string")
    if "aud" in claims and not _is_audience(claims["aud"]):
        return Refusal(Code.MISSING_CLAIM, "aud is neither a string nor a list of strings")
    return None


def _check_times(claims: Claims, terms: Terms, time: float) -> Refusal | None:
    """``exp``, ``nbf`` and ``iat`` against the clock, with leeway; ``exp - iat`` against the longest lifetime, without.

    The clock is the latest that it may be: one that was set back revives nothing, and makes no token that was good one
    that is not yet, so that a known token and the same one seen anew come to the same.
    """
    expires, issued = claims["exp"], claims["iat"]
    if time >= expires + terms.leeway:
        return Refusal(Code.EXPIRED, "exp has passed", hints.late(time - expires, terms.leeway))
    for name in ("nbf", "iat"):
        if name in claims and time < claims[name] - terms.leeway:
            ahead = hints.early(claims[name] - time, terms.leeway)
            return Refusal(Code.NOT_YET_VALID, f"{name} lies in the future", ahead)
    if expires < issued:
        return Refusal(Code.EXPIRED, "exp lies before iat: the token had expired when it was issued")
    if expires - issued > terms.max_lifetime:
        lifetime, limit = hints.seconds(expires - issued), hints.seconds(terms.max_lifetime)
        return Refusal(Code.TOO_LONG_LIVED, f"exp - iat is {lifetime}, more than max_lifetime = {limit}")
    return None


def _is_number(value: object) -> bool:
    """A NumericDate (RFC 7519 section 2): finite, and not a boolean, which Python counts among the integers."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_audience(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))
