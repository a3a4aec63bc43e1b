"""The one view of a request that every face produces and every rule reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from bearerd._native import path as _path
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.mcp.operation import Misread, Operation

Headers = Sequence[tuple[bytes, bytes]]  # names as received, in order

API_KEY = b"brd_"
"""What every API key begins with, and no token does: one begins with a brace, in base64url."""

_BEARER = b"bearer"
_AS_READ = bytes(byte if bytes((byte,)).isalnum() else ord("-") for byte in range(256)).lower()
_API_KEY_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


class Request(NamedTuple):  # made for each question: a frozen dataclass takes three times as long
    """The *original* request that a gateway asks about (or the request itself, where a client asks directly)."""

    method: str | None  # None: unknown
    target: bytes | None  # raw origin-form target; None: unknown
    path: str | None  # normalised and decoded once; None: unknown or ambiguous
    host: str | None  # lower-cased, without port and final dot; None: unknown
    headers: Headers = ()
    trusted: bool = False  # the peer is one that may speak as a gateway
    sees_all_headers: bool = False  # the face gets every header of the client, so spoofed identity can be refused
    peer: str = ""
    operation: Operation | None = None  # what is asked of an MCP server; None: of none, or it could not be read
    misread: Misread | None = None  # why it could not
    direct: bool = False  # the client's own words: no gateway has set a field of it

    @property
    def known(self) -> bool:
        """Whether method and target of the original request are known at all."""
        return self.method is not None and self.target is not None

    @property
    def ambiguous(self) -> bool:
        """Whether the path can be read in more than one way (contracts, section 2, Paths)."""
        return self.target is not None and self.path is None

    @property
    def token_in_query(self) -> bool:
        """Whether the query names ``access_token`` (RFC 6750 section 2.3, which is refused)."""
        return self.target is not None and _path.query_has_access_token(self.target)


def canonical(name: bytes) -> bytes:
    """A header's name as the laxest upstream reads it.

    Case, ``_`` and ``-`` are one to CGI and WSGI, ``.`` is, too, to PHP, and lighttpd makes ``_`` of all that is neither
    letter nor digit: ``x_auth_subject``, ``x.auth.subject`` and ``x~auth~subject`` are ``X-Auth-Subject``.
    """
    return name.translate(_AS_READ)


def of(
    method: str | None,
    target: bytes | None,
    host: str | None = None,
    headers: Headers = (),
    *,
    trusted: bool = False,
    sees_all_headers: bool = False,
    peer: str = "",
) -> Request:
    """Make a view; the path is normalised here and nowhere else."""
    normal = None if target is None else _path.normalise(target)
    return Request(
        method,
        target,
        None if normal is None else normal.decode(),
        _host(host),
        headers,
        trusted,
        sees_all_headers,
        peer,
    )


def _host(value: str | None) -> str | None:
    """Lower-case, without port and final dot."""
    if value is None:
        return None
    if ":" not in value:
        return value.lower().removesuffix(".")
    end = value.find("]") + 1 if value.startswith("[") else 0
    colon = value.find(":", end)
    return (value if colon < 0 else value[:colon]).lower().removesuffix(".")


def bearer_token(headers: Headers) -> bytes | Refusal | None:
    """The credential of the Authorization field: a token's (or API key's) bytes, a refusal, or None where there is no field.

    ``Authorization:`` empty, or ``Bearer`` alone, is a refusal (missing_token) and not None: only a request with *no*
    field is anonymous.  The scheme is case-insensitive and followed by exactly one space (RFC 9110 section 11.4,
    RFC 6750 section 2.1).
    """
    fields = [value for name, value in headers if len(name) == 13 and name.lower() == b"authorization"]
    if not fields:
        return None
    if len(fields) > 1 or b"," in fields[0]:
        return Refusal(Code.AMBIGUOUS_CREDENTIALS, "more than one Authorization value")
    value = fields[0].strip(b" \t")
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != _BEARER:
        if not scheme:
            return Refusal(Code.MISSING_TOKEN)
        bare = not token and scheme.count(b".") == 2  # whoever forgets the word sends the token alone
        return Refusal(
            Code.UNSUPPORTED_SCHEME, "a token without the word Bearer" if bare else "the scheme is not Bearer"
        )
    if not token:
        return Refusal(Code.MISSING_TOKEN, "Bearer without a token")
    if token.translate(None, _API_KEY_CHARACTERS):  # something is left: in C, a tenth of what a set costs
        return Refusal(Code.MALFORMED_TOKEN, "a byte outside base64url and dots after 'Bearer '")
    return token
