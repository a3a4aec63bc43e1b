"""Issuers' key sets shared by a fleet: one fetch serves all, and a restart finds the last good set.

What is read here is not believed more than what comes from the network: the caller applies the same checks to the document.
With a fleet key it carries a MAC; without one, whoever can write the store can give the fleet keys of their own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd.errors import StoreError
from bearerd.store import script

if TYPE_CHECKING:
    from bearerd.store.client import Client

_PURPOSE: Final = b"key set"
_LIFE: Final = 30 * 24 * 3600 * 1000  # milliseconds: far beyond any key_set_max_stale, which the reader applies


@dataclass(frozen=True, slots=True)
class SharedSet:
    """A key set as somebody of the fleet fetched it."""

    document: bytes  # the JWKS, as it came
    etag: str  # "" if it had none
    fetched_at: float  # epoch seconds, by the fetcher's clock
    expires_at: float  # epoch seconds: when it should be fetched again


class Shared:
    """The key sets in one fleet's store.  Every method raises StoreError; none raises anything else for what it reads."""

    def __init__(self, client: Client, max_bytes: int = 256 * 1024) -> None:
        self._client = client
        self._max_bytes = max_bytes  # of a document: a longer one is refused

    async def load(self, issuer: str) -> SharedSet | None:
        """The shared set of an issuer, None if there is none.  One that does not hold its seal is a StoreError."""
        key = self._client.names.key_set(issuer)
        reply = await self._client.call("HMGET", key, "document", "etag", "fetched_at", "expires_at", "mac")
        if all(value is None for value in reply):
            return None
        if any(value is None for value in reply) or len(reply[0]) > self._max_bytes:
            raise StoreError("the shared key set is incomplete or too long")
        document, etag, fetched, expires, mac = reply
        if not self._client.seal.holds(mac, _PURPOSE, issuer.encode(), document, etag, fetched, expires):
            raise StoreError("the shared key set does not carry the fleet's seal: somebody else wrote it")
        try:
            return SharedSet(document, etag.decode(), _seconds(fetched), _seconds(expires))
        except ValueError:
            raise StoreError("the shared key set is not readable") from None

    async def publish(self, issuer: str, document: bytes, *, etag: str, fetched_at: float, expires_at: float) -> bool:
        """Share a fetched set and ring the doorbell.  False if a newer one stands there, or our clock leads the store's."""
        names, seal = self._client.names, self._client.seal
        fetched, expires = f"{fetched_at:.3f}".encode(), f"{expires_at:.3f}".encode()
        mac = seal.make(_PURPOSE, issuer.encode(), document, etag.encode(), fetched, expires)
        done = await self._client.run(
            script.PUBLISH, (names.key_set(issuer), names.bell), (document, etag, fetched, expires, mac, issuer, _LIFE)
        )
        return bool(done == 1)

    async def lease(self, issuer: str, seconds: float) -> bool:
        """Whether this process may fetch now: one of the fleet, once in so many seconds."""
        milliseconds = max(1, int(seconds * 1000))
        token = secrets.token_hex(8)
        return (
            await self._client.call("SET", self._client.names.fetch(issuer), token, "NX", "PX", milliseconds)
            is not None
        )


def _seconds(text: bytes) -> float:
    """A plain decimal: no sign, no exponent, no infinity."""
    if not text.replace(b".", b"", 1).isdigit() or len(text) > 24:
        raise ValueError("not a time")
    return float(text)
