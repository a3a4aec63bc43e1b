"""Workers that keep a scripted issuer's keys, and a fleet's store in memory for them to share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.issuer import ScriptedIssuer

from bearerd._native import clock
from bearerd._native.generations import Generations
from bearerd.config import model
from bearerd.decision import Now, Pending
from bearerd.errors import IssuerFault, StoreError
from bearerd.issuers.keyset import KeySet
from bearerd.issuers.refresh import Refresher
from bearerd.issuers.registry import Issuer, Issuers
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.keys import Key
from bearerd.refusals import Refusal

ES256 = ALGORITHMS["ES256"]


@dataclass(frozen=True)
class Stored:
    document: bytes
    jwks_uri: str | None
    etag: str | None
    fetched_at: float
    expires_at: float


class Fleet:
    """What ``bearerd.store.keysets.Shared`` promises, without a server.  ``down`` makes it fail."""

    def __init__(self) -> None:
        self.documents: dict[str, Stored] = {}
        self.leases: dict[str, float] = {}  # until when, boot time
        self.down = False
        self.hanging = False

    async def _reached(self) -> None:
        if self.hanging:
            await asyncio.Event().wait()
        if self.down:
            raise StoreError("the store is down")

    async def load(self, issuer: str) -> Stored | None:
        await self._reached()
        return self.documents.get(issuer)

    async def publish(
        self,
        issuer: str,
        document: bytes,
        *,
        jwks_uri: str | None,
        etag: str | None,
        fetched_at: float,
        expires_at: float,
    ) -> None:
        await self._reached()
        self.documents[issuer] = Stored(document, jwks_uri, etag, fetched_at, expires_at)
        return True

    async def lease(self, issuer: str, seconds: float) -> bool:
        await self._reached()
        if self.leases.get(issuer, 0.0) > clock.boot():
            return False
        self.leases[issuer] = clock.boot() + seconds
        return True

    async def release(self, issuer: str) -> None:
        await self._reached()
        self.leases.pop(issuer, None)


class Witness:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.hashes: list[str] = []
        self.reasons: list[str] = []
        self.unknown = 0

    def loaded(self, issuer: str, key_set: KeySet) -> None:
        self.hashes.append(key_set.hash)

    def failed(self, issuer: str, fault: IssuerFault) -> None:
        self.reasons.append(fault.reason)

    def unknown_kid(self, issuer: str) -> None:
        self.unknown += 1


class Worker:
    """One worker's view of some issuers."""

    def __init__(
        self, *tables: dict[str, Any], data_dir: Path | None = None, fleet: Any = None, resolver: Any = None
    ) -> None:
        self.witness = Witness()
        self.generations = Generations()
        self.issuers = Issuers(configured(*tables), self.generations, self.witness)
        self.refresher = Refresher(self.issuers, data_dir, fleet, resolver)

    def select(self, issuer: str, kid: str | None = "first", alg: Any = ES256) -> Key | Refusal | Pending:
        found = self.issuers.find(issuer)
        assert found is not None
        return found.select(alg, kid, Now(clock.wall(), clock.boot()))

    async def resolve(self, issuer: str, kid: str | None = "first", alg: Any = ES256) -> Key | Refusal | Pending:
        """What the flow does with Pending: wait once, ask again."""
        found = self.select(issuer, kid, alg)
        if isinstance(found, Pending):
            await self.refresher.want(found.issuer, found.kid)
            found = self.select(issuer, kid, alg)
        return found

    def only(self) -> Issuer:
        (issuer,) = self.issuers
        return issuer


def configured(*tables: dict[str, Any]) -> model.Config:
    return model.Config(issuer=tuple(model.Issuer(**table) for table in tables))


def table(server: ScriptedIssuer, **settings: Any) -> dict[str, Any]:
    """The ``[[issuer]]`` table of a scripted issuer."""
    return {"issuer": server.issuer, "insecure_issuer": server.issuer.startswith("http:")} | settings


@contextlib.asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    """With their background loops."""
    tasks = [asyncio.create_task(worker.refresher.run()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
