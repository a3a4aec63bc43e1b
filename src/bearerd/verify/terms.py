"""What an issuer's tokens are judged by, read out of its configuration once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd._native.claims import Terms

if TYPE_CHECKING:
    from bearerd.config import model

_ACCESS_TOKEN: Final = frozenset({"at+jwt", "application/at+jwt"})  # RFC 9068 section 2.1
_ANY_JWT: Final = _ACCESS_TOKEN | {"jwt"}
_RFC9068: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")


def of(issuer: model.Issuer) -> Terms:
    """As they are configured."""
    strict = issuer.rfc9068 or issuer.typ == "required"
    return Terms(
        _ACCESS_TOKEN if strict else _ANY_JWT,
        strict,
        _RFC9068 if issuer.rfc9068 else ("exp", "iat"),
        issuer.leeway,
        issuer.max_lifetime,
        tuple(issuer.scope_claims),
        tuple(issuer.role_claims),
    )
