"""``POST /introspect``: a resource server that cannot verify tokens itself asks (RFC 7662).

It judges issuer, audience, lifetime and revocation, not rules: those belong to requests.  A caller learns only about
tokens for its own resources; whatever else there is to say about a token is ``{"active": false}``, word for word the same
for a forged one, an expired one and another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bearerd.policy.resource import Resource
    from bearerd.verify.verified import Verified

FACE: Final = "introspect"
INACTIVE: Final = {"active": False}

_PASSED: Final = ("exp", "iat", "nbf", "jti", "cnf", "act")


def active(verified: Verified, resource: Resource) -> dict[str, Any]:
    """What the caller may know of an active token (RFC 7662 section 2.2, RFC 9449 section 6.2).

    ``aud`` is the resource, whatever else the token names: many clients compare one string.
    """
    claims = verified.claims
    said: dict[str, Any] = {
        "active": True,
        "iss": verified.issuer,
        "aud": resource.spoken_audience,
        "token_type": _token_type(claims.get("cnf")),
    }
    if verified.subject is not None:
        said["sub"] = verified.subject
    if verified.client is not None:
        said["client_id"] = verified.client
    if scopes := [scope for scope in verified.scopes if _one(scope)]:
        said["scope"] = " ".join(scopes)
    said.update((name, claims[name]) for name in _PASSED if name in claims)
    return said


def _one(scope: str) -> bool:
    """Whether a scope stays one however the caller splits the list (RFC 6749 section 3.3).

    ``scp: ["read admin"]`` is one scope to our rules; said here, it would be two to the caller.
    """
    return scope.isprintable() and len(scope.split()) == 1


def _token_type(confirmation: object) -> str:
    """A token bound to a DPoP key is presented as such (RFC 9449 section 6.2)."""
    return "DPoP" if isinstance(confirmation, dict) and "jkt" in confirmation else "Bearer"
