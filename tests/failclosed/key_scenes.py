"""Questions that need a key first: flights, the refresher, the keeper, and the callbacks between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from pathlib import Path
from typing import Any, Self

from failclosed import subjects
from failclosed.scenes import ForwardAuthAnew, Grpc, Introspection, Revocation
from failclosed.subjects import GOOD, Subject
from support.house import API, ISS, config, issuer, key
from support.keepers import Fleet

from bearerd._native import clock
from bearerd.faces.grpc.authorization import Authorization
from bearerd.issuers import disk, keeper, keyset, place
from bearerd.issuers.keyset import KeySet, Origin, Validators
from bearerd.issuers.refresh import Refresher

URI = "https://issuer.example/keys"
JUDGED = (GOOD, subjects.EXPIRED, subjects.FORGED, subjects.FOREIGN, subjects.REVOKED, subjects.STALE)
FEW = (GOOD, subjects.FORGED, subjects.REVOKED)  # where the way to the key differs, and nothing after it


class Busy(Fleet):
    """A fleet whose lease others hold so many times."""

    busy = 0

    async def lease(self, issuer: str, seconds: float) -> bool:
        if self.busy:
            self.busy -= 1
            return False
        return await super().lease(issuer, seconds)


class NewKey(ForwardAuthAnew):
    """Nobody has fetched any key yet."""

    asked_by = JUDGED
    known: tuple[str, ...] | None = None  # the kids that there are before
    life = 300.0  # seconds for which these are fresh

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fleet = Busy()
        self.refresher = Refresher(self.service.current.issuers, folder, self.fleet)
        self.service._refresher = self.refresher
        (self.issuer,) = self.service.current.issuers
        (self.keeper,) = self.refresher._keepers.values()
        self.keeper._source.fetch = self._fetch  # type: ignore[method-assign]

    def config(self, folder: Path) -> Any:
        remote = issuer(jwks=None, jwks_uri=URI)
        table = {"identifier": API, "gateway": "forwarded"}
        return config(folder, callers=({"name": "svc"},), issuer=[remote], resource={"api": table})

    async def __aenter__(self) -> Self:
        self._patience = keeper.OTHER_POLL, keeper.OTHER_PATIENCE
        keeper.OTHER_POLL, keeper.OTHER_PATIENCE = 0.002, 0.2  # type: ignore[misc]
        return await super().__aenter__()

    async def __aexit__(self, *gone: object) -> None:
        await super().__aexit__(*gone)
        keeper.OTHER_POLL, keeper.OTHER_PATIENCE = self._patience  # type: ignore[misc]

    async def prepare(self, token: str, subject: Subject) -> None:
        self.later()
        self.issuer.key_set = None
        self.issuer._count_from(-math.inf, -math.inf)
        if self.known is not None:
            assert self.issuer.adopt(self.key_set(*self.known, life=self.life), self.issuer.now())

    def later(self) -> None:
        self.issuer.retry_boot = self.issuer.quiet_boot = 0.0
        self.fleet.leases.clear()
        self.fleet.documents.clear()
        self.fleet.busy = 0

    def key_set(self, *kids: str, life: float = 300.0) -> KeySet:
        """Keys as the network brings them, now."""
        now = self.issuer.now()
        stamps = Validators(URI, None, now.wall, now.wall + life)
        keys = json.dumps({"keys": [key(kid=kid) for kid in kids]}).encode()
        return keyset.read(keys, Origin.NETWORK, stamps, ("ES256",), self.issuer.limits)

    async def _fetch(self, known: object) -> KeySet:
        await asyncio.sleep(0)
        return self.key_set("k1")


class LaneNewKey(NewKey):
    """The same in the lane: the connection waits, and nobody else."""

    asked_by = FEW
    lane = True


class GrpcNewKey(NewKey):
    """Envoy asks by gRPC, and has a deadline."""

    asked_by = FEW
    ask = Grpc.ask

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.face = Authorization(self.service)

    def config(self, folder: Path) -> Any:
        remote = issuer(jwks=None, jwks_uri=URI)
        return config(folder, issuer=[remote], resource={"api": {"identifier": API, "gateway": "grpc"}})


class NewKid(NewKey):
    """There are keys, and not the token's."""

    asked_by = FEW
    known = ("k0",)


class PeersKey(NewKey):
    """Another worker holds the lease, and publishes what it fetched."""

    asked_by = FEW

    async def prepare(self, token: str, subject: Subject) -> None:
        await super().prepare(token, subject)
        self.fleet.leases[ISS] = clock.boot() + 60.0
        document = self.key_set("k1")
        published = document.validators.fetched_at, document.validators.expires_at

        async def publish() -> None:
            while self.keeper._flight is None:
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            await self.fleet.publish(
                place.of(self.issuer.config),
                document.document,
                jwks_uri=URI,
                etag=None,
                fetched_at=published[0],
                expires_at=published[1],
            )

        self._peer = asyncio.ensure_future(publish())

    async def ask(self, token: str) -> bool:
        try:
            return await super().ask(token)
        finally:
            self._peer.cancel()


class PeerGaveUp(NewKey):
    """Another worker held the lease, and fetched nothing."""

    asked_by = FEW

    async def prepare(self, token: str, subject: Subject) -> None:
        await super().prepare(token, subject)
        self.fleet.busy = 2


class KeyFile(NewKey):
    """The keys stand in a file."""

    asked_by = FEW

    def config(self, folder: Path) -> Any:
        file = folder / "keys.json"
        file.write_text(json.dumps({"keys": [key()]}))
        table = {"identifier": API, "gateway": "forwarded"}
        return config(folder, issuer=[issuer(jwks=None, jwks_file=file)], resource={"api": table})


class IntrospectionNewKey(NewKey, Introspection):
    """A caller's question that needs a key."""

    asked_by = FEW
    ask = Introspection.ask


class RevocationNewKey(NewKey, Revocation):
    """A caller gives up a token whose key nobody has fetched."""

    asked_by = Revocation.asked_by
    ask = Revocation.ask

    async def prepare(self, token: str, subject: Subject) -> None:
        await NewKey.prepare(self, token, subject)
        await Revocation.prepare(self, token, subject)


class Rotated(NewKey):
    """The slow loop learns that a key is gone: whatever happens to it there, tokens of that key end with it."""

    asked_by = (subjects.GONE,)
    well = subjects.KEPT
    known = ("k1", "k0")
    life = 0.0

    async def prepare(self, token: str, subject: Subject) -> None:
        await super().prepare(token, subject)
        if not await ForwardAuthAnew.ask(self, token):
            raise AssertionError("its key is there yet")

    async def ask(self, token: str) -> bool:
        """What is answered when the new keys have been adopted, at the latest by the second attempt."""
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await self.keeper._join(None)
        if self.issuer.key_set is not None and self.issuer.key_set.holds("k1"):
            return False
        return await super().ask(token)

    async def _fetch(self, known: object) -> KeySet:
        await asyncio.sleep(0)
        return self.key_set("k0")


class Background(NewKey):
    """Nobody asks for the key: the slow loop fetches it."""

    asked_by = FEW

    async def prepare(self, token: str, subject: Subject) -> None:
        await super().prepare(token, subject)
        disk.path_of(self.service.data_dir, ISS).unlink(missing_ok=True)  # or it would have the key

    async def ask(self, token: str) -> bool:
        running = asyncio.ensure_future(self._forever())
        until = clock.boot() + 0.2
        while not self.issuer.usable(self.issuer.now()) and clock.boot() < until:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # the loop that fetched it comes to its own next sleep
        try:
            return await super().ask(token)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _forever(self) -> None:
        """As the service does."""
        while True:
            with contextlib.suppress(Exception):
                await self.refresher.run()
            if _gone():
                return
            await asyncio.sleep(0.001)


def _gone() -> bool:
    """Whether this task was cancelled, though another fault has taken the cancellation's place."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
