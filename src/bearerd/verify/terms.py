"""What an issuer's tokens are judged by, read out of its configuration once: each new token asks for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from bearerd.config import model

_ACCESS_TOKEN: Final = frozenset({"at+jwt", "application/at+jwt"})  # RFC 9068 section 2.1
_ANY_JWT: Final = _ACCESS_TOKEN | {"jwt"}
_RFC9068: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one issuer, under one configuration."""

    algorithms: frozenset[str]
    types: frozenset[str]  # what the header's ``typ`` may be, in lower case
    typed: bool  # it must be there
    required: tuple[str, ...]  # claims
    leeway: float  # seconds
    max_lifetime: float  # seconds
    cutoff_slack: float  # seconds
    scope_claims: tuple[str, ...]
    role_claims: tuple[str, ...]

    @classmethod
    def of(cls, issuer: model.Issuer) -> Self:
        """As they are configured."""
        strict = issuer.rfc9068 or issuer.typ == "required"
        return cls(
            frozenset(issuer.algorithms),
            _ACCESS_TOKEN if strict else _ANY_JWT,
            strict,
            _RFC9068 if issuer.rfc9068 else ("exp", "iat"),
            issuer.leeway,
            issuer.max_lifetime,
            issuer.cutoff_slack,
            issuer.scope_claims,
            issuer.role_claims,
        )
