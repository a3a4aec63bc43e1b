"""What the rooms above the store need of it for key sets: one document a place, and one lease an issuer to fetch it.

``bearerd.store.keysets.Shared`` is one; tests bring others.  Every method may raise StoreError.
"""

from __future__ import annotations

from typing import Protocol


class StoredKeySet(Protocol):
    """A document as the store keeps it.  It is read with the same checks as one from the network."""

    @property
    def document(self) -> bytes:
        """The JWK Set as it was fetched."""

    @property
    def jwks_uri(self) -> str | None:
        """Where it was fetched."""

    @property
    def etag(self) -> str | None:
        """Its entity tag."""

    @property
    def fetched_at(self) -> float:
        """Seconds since the epoch."""

    @property
    def expires_at(self) -> float:
        """Seconds since the epoch."""


class SharedKeySets(Protocol):
    """Key sets that a fleet shares, each by the name of its place (``place.of``)."""

    async def load(self, where: str) -> StoredKeySet | None:
        """The last published document, if there is one."""

    async def publish(
        self,
        where: str,
        document: bytes,
        *,
        jwks_uri: str | None,
        etag: str | None,
        fetched_at: float,
        expires_at: float,
    ) -> bool:
        """Publish a document.  False where a newer one stands there, or the stamp lies in the store's future."""

    async def lease(self, issuer: str, seconds: float) -> bool:
        """Whether this process alone may do something for so long.  ``issuer`` is any name, and says what."""

    async def release(self, issuer: str) -> None:
        """Give the lease back early, if it is still ours."""
