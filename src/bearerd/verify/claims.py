"""What a token must claim before its signature is worth checking: the checks are native, and what is said of them is here.

RFC 7519 section 4.1, RFC 8725 section 3, RFC 9068 section 2.2; contracts, section 2.  Every check is a function of the
claims, the issuer's terms and the time; the first that fails is the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd._native.claims import Fault
from bearerd.refusals import Code, Refusal
from bearerd.verify import hints

if TYPE_CHECKING:
    from bearerd._native.claims import Terms

Claims = dict[str, Any]


def refusal(found: Fault, name: str, claims: Claims, header: dict[str, Any], terms: Terms, time: float) -> Refusal:
    """What is said where the terms found this fault, whoever signed the claims.

    ``iss`` is not looked at: it chose ``terms``.  Codes: wrong_type, missing_claim, expired, not_yet_valid, too_long_lived.

    ``time`` is the latest that it may be: a clock that was set back revives nothing, and makes no token that was good one
    that is not yet, so that a known token and the same one seen anew come to the same.
    """
    if found <= Fault.MARK:
        return Refusal(Code.WRONG_TYPE, _of_type(found, name, claims, header, terms))
    if found in _SHAPES:
        return Refusal(Code.MISSING_CLAIM, f"{name} {_SHAPES[found]}")
    expires, issued = claims["exp"], claims["iat"]
    if found is Fault.PAST:
        return Refusal(Code.EXPIRED, "exp has passed", hints.late(time - expires, terms.leeway))
    if found is Fault.FUTURE:
        ahead = hints.early(claims[name] - time, terms.leeway)
        return Refusal(Code.NOT_YET_VALID, f"{name} lies in the future", ahead)
    if found is Fault.BACKWARDS:
        return Refusal(Code.EXPIRED, "exp lies before iat: the token had expired when it was issued")
    lifetime, limit = hints.seconds(expires - issued), hints.seconds(terms.max_lifetime)
    return Refusal(Code.TOO_LONG_LIVED, f"exp - iat is {lifetime}, more than max_lifetime = {limit}")


_SHAPES: Final = {
    Fault.MISSING: "is missing",
    Fault.NUMBER: "is not a number",
    Fault.STRING: "is not a string",
    Fault.AUDIENCE: "is neither a string nor a list of strings",
}


def _of_type(found: Fault, name: str, claims: Claims, header: dict[str, Any], terms: Terms) -> str:
    if found is Fault.UNTYPED:
        return "the header has no typ, and at+jwt is required"
    if found is Fault.TYPE:
        return f"typ is {hints.quoted(header[name])}, not {' or '.join(sorted(terms.types))}"
    if found is Fault.KIND:
        return f"the payload's typ is {hints.quoted(claims[name])}: not an access token"
    return f"{name} marks an ID, logout or security event token"
