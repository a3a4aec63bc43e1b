"""``POST /revoke``: a caller gives up a token (RFC 7009).

200 says that nobody will accept the token any more, so it is said only where that is so: a token that is not one, or not
of the caller's resources, needs no revocation; one that could not be judged or written is 503.  ``X-Revocation`` tells
which it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd._native.revocations import FOREVER
from bearerd.apikeys import acts
from bearerd.errors import StoreError
from bearerd.refusals import Code, Outcome
from bearerd.store.entries import API_KEYS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.apikeys.ring import Ring
    from bearerd.policy.resource import Resource
    from bearerd.refusals import Refusal
    from bearerd.store.revocations import Writer, Written
    from bearerd.verify.verified import Verified

HEADER: Final = "X-Revocation"
NONE: Final = "none"
STORED: Final = "stored"
FULL: Final = 507


def concerns(verified: Verified, resources: Iterable[Resource]) -> Resource | None:
    """The first of the caller's resources that the token is for; None: it is not the caller's to revoke."""
    for resource in resources:
        if verified.issuer in resource.issuers and resource.is_meant_by(verified):
            return resource
    return None


def undecided(refusal: Refusal) -> bool:
    """Whether the token may be good later on, so that 200 would be a lie."""
    return refusal.row.outcome is Outcome.UNAVAILABLE or refusal.code is Code.NOT_YET_VALID


def done(writer: Writer, verified: Verified) -> bool:
    """Whether this token is revoked already, as far as this process knows: repeating it must not fill the store."""
    return writer.in_force(Kind.TOKEN, verified.issuer, _value(verified)) == FOREVER


def marked(ring: Ring, verified: Verified) -> bool:
    """Whether there is no record beside the entry, or it says so, too: an API key's does, and for good."""
    return verified.issuer != API_KEYS or ring.revoked(verified.client or "")


async def write(writer: Writer, ring: Ring, verified: Verified, leeway: float) -> Written:
    """Revoke this one token, until it expires; or an API key, whichever of its secrets was shown.

    Raises StoreFull, StoreError.
    """
    if verified.issuer == API_KEYS:
        return await _key(writer, ring, verified.client or "")
    value = _value(verified)
    return await writer.revoke(Kind.TOKEN, verified.issuer, value, until=verified.expires_at + leeway)


async def _key(writer: Writer, ring: Ring, key_id: str) -> Written:
    try:
        record, written = await acts.revoke(ring, writer, key_id)
    except (acts.NotFound, ValueError) as error:  # it was there a moment ago
        raise StoreError("the API key is changed at the same time: try again") from error
    ring.adopt(record)
    return written


def _value(verified: Verified) -> str:
    return verified.jti or verified.token_id
