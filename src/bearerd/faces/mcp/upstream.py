"""The MCP server behind ``/mcp/NAME``: what is passed on to it, and what of its answers comes back.

The client's token stays here.  A server that passes tokens on is the confused deputy that the specification forbids
(MCP security best practices, Token Passthrough); this one gets the identity headers, or a signed identity, in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from bearerd import lines
from bearerd.faces.answer import SOFTWARE
from bearerd.mcp import fields
from bearerd.request import canonical

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from bearerd.request import Headers

CONNECT_SECONDS: Final = 5.0
PATIENCE: Final = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
"""A tool may take as long as it takes, and a stream may be silent for hours; the client's leaving ends both."""

_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split()
)  # RFC 9110 section 7.6.1
_OURS: Final = frozenset([b"host", b"content-length", b"authorization", b"accept-encoding", b"expect"])
# By what it is decided it is read there: ``Connection`` takes none of these away, and no field makes another method of ours.
_JUDGED: Final = frozenset(
    [b"content-type", b"content-encoding", b"origin", fields.METHOD, fields.NAME, fields.VERSION]
)
_OVERRIDES: Final = frozenset([b"x-http-method", b"x-http-method-override", b"x-method-override"])
# A challenge of the server's own would send the client to an authorization server that nobody here has named.
_KEPT_BACK: Final = frozenset([b"content-length", b"www-authenticate", b"server", b"date"])


class Upstream:
    """The connections to all of them, of one process."""

    def __init__(self, connections: int) -> None:
        """``connections``: at once; further requests wait."""
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def ask(self, url: str, method: str, headers: CIMultiDict[str], body: bytes) -> Awaitable[aiohttp.ClientResponse]:
        """Send a request; waiting for it raises aiohttp.ClientError or TimeoutError.  Redirects are not followed: nobody checked them."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=lines.Connector(limit=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=PATIENCE,
                trust_env=False,
            )
        return self._session.request(
            method, URL(url, encoded=True), headers=headers, data=body or None, allow_redirects=False
        )

    async def close(self) -> None:
        """Every answer under way ends."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def onward(headers: Headers, identity: Iterable[tuple[str, str]], removed: Sequence[str]) -> CIMultiDict[str]:
    """The request's fields for the server: without the credential, and with what bearerd says of who asks.

    ``removed``: names that only bearerd may write.  Compressed answers are not asked for: they could not be looked into.
    Raises UnicodeDecodeError for fields that could not be written as they came.
    """
    named = (_hop_by_hop(headers) - _JUDGED) | _OURS | {name.lower().encode() for name in removed}
    passed = [
        (name.decode("ascii"), value.decode())
        for name, value in headers
        if name.lower() not in named and canonical(name) not in _OVERRIDES
    ]
    return CIMultiDict([*passed, *identity, ("Accept-Encoding", "identity")])


def back(headers: Headers) -> CIMultiDict[str]:
    """The answer's fields for the client."""
    named = _hop_by_hop(headers) | _KEPT_BACK
    passed = [
        (name.decode("latin-1"), value.decode("utf-8", "replace"))  # what is not UTF-8 would be left out in silence
        for name, value in headers
        if name.lower() not in named
    ]
    return CIMultiDict([*passed, ("Server", SOFTWARE)])  # aiohttp would tell its version, and Python's


def _hop_by_hop(headers: Headers) -> set[bytes]:
    """The fields that end here, and those that ``Connection`` names."""
    listed = (value for name, value in headers if name.lower() == b"connection")
    return set(_HOP) | {option.strip(b" \t").lower() for value in listed for option in value.split(b",")}
