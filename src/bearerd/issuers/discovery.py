"""What an issuer says of itself, and so where its keys are: OpenID Connect Discovery 1.0, and RFC 8414."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from bearerd import jsonobject
from bearerd.errors import IssuerFault
from bearerd.issuers.faults import Reason

if TYPE_CHECKING:
    from bearerd.issuers.fetch import Fetcher
    from bearerd.limits import Limits

_OPENID: Final = "/.well-known/openid-configuration"
_OAUTH: Final = "/.well-known/oauth-authorization-server"
_MOST_MEMBERS: Final = 1024  # Keycloak's metadata has about eighty; max_json_members is for tokens

# The server answered, but not with a metadata document: the other place is worth a try.
_ELSEWHERE: Final = frozenset({Reason.HTTP_STATUS, Reason.CONTENT_TYPE, Reason.REDIRECT})


async def discover(issuer: str, fetcher: Fetcher, limits: Limits) -> str:
    """The ``jwks_uri`` of an issuer, from its own metadata.  Raises IssuerFault.

    The document's ``issuer`` must be the configured one to the byte (OpenID Connect Discovery section 4.3, RFC 8414
    section 3.3): else whoever can publish a document anywhere on a host could speak for every issuer on it.
    """
    return jwks_uri(await _found(*locations(issuer), fetcher), issuer, limits)


async def document(issuer: str, fetcher: Fetcher, limits: Limits) -> bytes:
    """What the issuer publishes of itself as an OAuth server, to be passed on as it is.  Raises IssuerFault.

    RFC 8414's place comes first here: it is what a client that asks us would have asked the issuer for.
    """
    openid, oauth = locations(issuer)
    body = await _found(oauth, openid, fetcher)
    _of(body, issuer, limits)
    return body


async def _found(first: str, second: str, fetcher: Fetcher) -> bytes:
    """The document at the one place or the other."""
    try:
        return (await fetcher.get(first)).body
    except IssuerFault as fault:
        if fault.reason not in _ELSEWHERE:
            raise
        try:
            return (await fetcher.get(second)).body
        except IssuerFault as other:
            raise IssuerFault(fault.reason, f"{fault}; {other}") from fault


def locations(issuer: str) -> tuple[str, str]:
    """The metadata URLs: OpenID's behind the issuer's path (section 4.1), RFC 8414's before it (section 3.1)."""
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    openid = urlunsplit((parts.scheme, parts.netloc, path + _OPENID, "", ""))
    oauth = urlunsplit((parts.scheme, parts.netloc, _OAUTH + path, "", ""))
    return openid, oauth


def jwks_uri(document: bytes, issuer: str, limits: Limits) -> str:
    """Read a metadata document.  Raises IssuerFault: ``bad_json``, ``bad_document`` or ``wrong_issuer``.

    Whether the URI may be fetched is for ``fetch`` to say.
    """
    uri = _of(document, issuer, limits).get("jwks_uri")
    if not isinstance(uri, str) or not uri:
        raise IssuerFault(Reason.BAD_DOCUMENT, "the metadata has no jwks_uri")
    return uri


def _of(document: bytes, issuer: str, limits: Limits) -> dict[str, Any]:
    """The members of a document that is this issuer's."""
    metadata = _parse(document, limits)
    named = metadata.get("issuer")
    if named != issuer:
        raise IssuerFault(Reason.WRONG_ISSUER, f"the metadata is of {str(named)[:200]!r}, not of {issuer[:200]!r}")
    return metadata


def _parse(document: bytes, limits: Limits) -> dict[str, Any]:
    try:
        return jsonobject.read(document, limits.max_json_depth, _MOST_MEMBERS)
    except jsonobject.Malformed as fault:
        raise IssuerFault(Reason.BAD_JSON, f"the metadata cannot be read: {fault}") from None
