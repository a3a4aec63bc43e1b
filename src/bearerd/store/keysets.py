"""Issuers' key sets shared by a fleet: one fetch serves all, and a restart finds the last good set.

What is read here is not believed more than what comes from the network: the caller applies the same checks to the document.
With a fleet key it carries a MAC; without one, whoever can write the store can give the fleet keys of their own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd.errors import StoreError
from bearerd.store import replies, script

if TYPE_CHECKING:
    from bearerd.store.client import Client

_PURPOSE: Final = b"key set"
_FIELDS: Final = ("document", "jwks_uri", "etag", "fetched_at", "expires_at")  # in the order of the MAC
_LIFE: Final = 30 * 24 * 3600 * 1000  # milliseconds: far beyond any key_set_max_stale, which the reader applies


@dataclass(frozen=True, slots=True)
class SharedSet:
    """A key set as somebody of the fleet fetched it."""

    document: bytes  # the JWKS, as it came
    jwks_uri: str | None  # where it was fetched
    etag: str | None
    fetched_at: float  # epoch seconds, by the fetcher's clock
    expires_at: float  # epoch seconds: when it should be fetched again


class Shared:
    """The key sets in one fleet's store.  Every method raises StoreError; none raises anything else for what it reads."""

    def __init__(self, client: Client, max_bytes: int = 256 * 1024) -> None:
        self._client = client
        self._max_bytes = max_bytes  # of a document: a longer one is refused
        self._tokens: dict[str, str] = {}  # issuer -> what proves that a fetch lease is ours

    async def load(self, issuer: str) -> SharedSet | None:
        """The shared set of an issuer, None if there is none.  One that does not hold its seal is a StoreError."""
        most = self._max_bytes + replies.MOST
        reply = await self._client.call("HMGET", self._client.names.key_set(issuer), *_FIELDS, "mac", most=most)
        if all(value is None for value in reply):
            return None
        if any(value is None for value in reply) or len(reply[0]) > self._max_bytes:
            raise StoreError("the shared key set is incomplete or too long")
        *fields, mac = reply
        if not self._client.seal.holds(mac, _PURPOSE, issuer.encode(), *fields):
            raise StoreError("the shared key set does not carry the fleet's seal: somebody else wrote it")
        document, uri, etag, fetched, expires = fields
        try:
            return SharedSet(
                document, uri.decode() or None, etag.decode() or None, _seconds(fetched), _seconds(expires)
            )
        except ValueError:
            raise StoreError("the shared key set is not readable") from None

    async def publish(
        self,
        issuer: str,
        document: bytes,
        *,
        jwks_uri: str | None,
        etag: str | None,
        fetched_at: float,
        expires_at: float,
    ) -> bool:
        """Share a fetched set.  False if a newer one stands there, or our clock leads the store's."""
        names = self._client.names
        times = f"{fetched_at:.3f}".encode(), f"{expires_at:.3f}".encode()
        fields = (document, (jwks_uri or "").encode(), (etag or "").encode(), *times)
        mac = self._client.seal.make(_PURPOSE, issuer.encode(), *fields)
        done = await self._client.run(script.PUBLISH, (names.key_set(issuer),), (*fields, mac, _LIFE))
        return bool(done == 1)

    async def lease(self, issuer: str, seconds: float) -> bool:
        """Whether this process may fetch now: one of the fleet, once in so many seconds."""
        token = secrets.token_hex(8)
        key, milliseconds = self._client.names.fetch(issuer), max(1, int(seconds * 1000))
        if await self._client.call("SET", key, token, "NX", "PX", milliseconds) is None:
            return False
        self._tokens[issuer] = token
        return True

    async def release(self, issuer: str) -> None:
        """Give a fetch lease back early, if it is still ours."""
        token = self._tokens.pop(issuer, None)
        if token is not None:
            await self._client.run(script.RELEASE, (self._client.names.fetch(issuer),), (token,))


def _seconds(text: bytes) -> float:
    """A plain decimal: no sign, no exponent, no infinity."""
    if not text.replace(b".", b"", 1).isdigit() or len(text) > 24:
        raise ValueError("not a time")
    return float(text)
