"""A key set that was kept, in the store or on disk: read again with the same checks as from the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bearerd.errors import IssuerFault
from bearerd.issuers import keyset
from bearerd.issuers.faults import Reason
from bearerd.issuers.headers import valid_etag
from bearerd.issuers.keyset import Validators

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.config.model import Issuer
    from bearerd.issuers.keyset import KeySet, Origin
    from bearerd.limits import Limits


def read(
    issuer: Issuer, document: bytes, known: Mapping[str, Any], origin: Origin, limits: Limits, wall: float
) -> KeySet | None:
    """The key set, or None where it came from elsewhere than the configuration would look now.

    ``known`` holds what ``Validators`` does.  Raises IssuerFault.
    """
    validators = _validators(known, issuer.key_set_refresh, wall)
    if not _same_source(issuer, validators.jwks_uri):
        return None
    return keyset.read(document, origin, validators, issuer.algorithms, limits)


def _validators(known: Mapping[str, Any], refresh: float, wall: float) -> Validators:
    """A time in the future (a clock was set back, or differs) counts as now: a set must not stay fresh by a wrong stamp."""
    try:
        uri, etag = known["jwks_uri"], known["etag"]
        fetched_at, expires_at = float(known["fetched_at"]), float(known["expires_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise IssuerFault(Reason.BAD_DOCUMENT, f"a kept key set lacks {error}") from None
    life = min(expires_at - fetched_at, refresh)
    if not isinstance(uri, str | None) or not isinstance(etag, str | None) or not (fetched_at >= 0 and life >= 0):
        raise IssuerFault(Reason.BAD_DOCUMENT, "a kept key set has validators of another type or order")
    fetched_at = min(fetched_at, wall)
    return Validators(uri, valid_etag(etag), fetched_at, fetched_at + life)


def _same_source(issuer: Issuer, jwks_uri: str | None) -> bool:
    if jwks_uri is None or (jwks_uri.startswith("http:") and not issuer.insecure_issuer):
        return False
    return issuer.jwks_uri in (None, jwks_uri)
