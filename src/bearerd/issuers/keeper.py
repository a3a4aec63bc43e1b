"""One issuer's key set, kept fresh: one attempt at a time, shared with the fleet, last-known-good while it fails.

An attempt looks in the store first; only who holds the fleet's fetch lease asks the issuer, and gives it back when done, so
that whoever waits need not wait longer than the fetch.  A fetch for an unknown ``kid`` needs a second lease, which nobody
gives back: that it runs on for the cool-down is what bounds the fetches that strangers can cause, over the whole fleet.
While the store does not answer, each worker has its own cool-down.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final, TypeVar

from bearerd._native import clock
from bearerd.errors import IssuerFault, StoreError
from bearerd.issuers import disk, kept, local, place
from bearerd.issuers.faults import Reason, reason_of
from bearerd.issuers.fetch import TIMEOUT
from bearerd.issuers.keyset import Origin
from bearerd.issuers.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from aiohttp.abc import AbstractResolver

    from bearerd.issuers.keyset import KeySet
    from bearerd.issuers.registry import Issuer
    from bearerd.issuers.shared import SharedKeySets
    from bearerd.store.seal import Seal

LEASE: Final = 4 * TIMEOUT
"""Seconds: metadata at two places, keys, and metadata again where the keys have moved; then another may try."""

STORE_PATIENCE: Final = 1.0  # seconds for one call to the store
OTHER_PATIENCE: Final = TIMEOUT + 1.0  # seconds for which we wait for what another worker fetches
OTHER_POLL: Final = 0.1  # seconds between looks meanwhile
FILE_POLL: Final = 2.0  # seconds between looks at a key file
BRIEF: Final = 2.0  # seconds until the store is asked again about a kid, where the fleet is in its cool-down

_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 60.0
_LAST_RETRY_WITHOUT_KEYS: Final = 15.0  # tokens are being refused: recover soon after the issuer does
_LONGEST_SLEEP: Final = 5.0  # the due time moves when a peer publishes, and sleep does not count suspended time

_log = logging.getLogger("bearerd.issuers")
_T = TypeVar("_T")


class Keeper:
    """Keeps one issuer's keys.  ``want`` is for tokens, ``run`` for the background, ``follow`` for what peers publish."""

    def __init__(
        self,
        issuer: Issuer,
        data_dir: Path | None = None,
        shared: SharedKeySets | None = None,
        resolver: AbstractResolver | None = None,
        seal: Seal | None = None,
    ) -> None:
        """``seal``: of what is kept in ``data_dir``."""
        self.issuer: Final = issuer
        self.remote: Final = local.origin_of(issuer.config) is Origin.NETWORK
        self._data_dir = data_dir if self.remote else None
        self._shared = shared if self.remote else None
        self._seal = seal
        self._source = Remote(issuer.config, issuer.limits, resolver)
        self._flight: asyncio.Task[None] | None = None
        self._followed: float | None = None  # the stamp of the stored document that was looked at last
        self._early = random.uniform(0.05, 0.25)  # noqa: S311 - spreads load, keeps no secret
        self._closed = False

    async def load(self) -> None:
        """Last-known-good keys from the store or the disk, whichever are newer; the issuer is not asked."""
        await self.follow()
        if self._data_dir is None:
            return
        issuer, now = self.issuer, self.issuer.now()
        try:
            saved = await asyncio.to_thread(
                disk.load, self._data_dir, issuer.config, issuer.limits, now.wall, self._seal
            )
        except IssuerFault as fault:
            _log.warning("saved_key_set_unusable", extra={"issuer": issuer.name, "detail": str(fault)})
            return
        known = issuer.key_set
        if saved is not None and (known is None or known.fetched_at < saved.fetched_at):
            issuer.adopt(saved, now)

    async def run(self) -> None:
        """Refresh before the keys expire, for as long as nobody cancels this."""
        if self.issuer.key_set is None:
            await self.load()
        while True:
            if self._due_in() <= 0:
                await self._join(None)
            await asyncio.sleep(min(max(self._due_in(), 0.05), _LONGEST_SLEEP))

    async def want(self, kid: str | None) -> None:
        """Return when asking ``Issuer.select`` again makes sense: it will not say Pending for this ``kid`` again at once.

        At most one fetch per cool-down, however many tokens wait; a caller that goes away leaves the fetch running.
        """
        while not self._closed and self.issuer.wanting(kid, self.issuer.now()):
            await self._join(kid)

    async def follow(self) -> None:
        """Adopt what a peer has published since."""
        where = place.of(self.issuer.config)
        stored = await self._asked(self._shared.load(where)) if self._shared else None
        if stored is None or stored.fetched_at == self._followed:
            return
        self._followed = stored.fetched_at
        issuer, now = self.issuer, self.issuer.now()
        if issuer.key_set is not None and stored.fetched_at <= issuer.key_set.fetched_at:
            return
        known = {name: getattr(stored, name) for name in ("jwks_uri", "etag", "fetched_at", "expires_at")}
        try:
            key_set = kept.read(issuer.config, stored.document, known, Origin.STORE, issuer.limits, now.wall)
        except IssuerFault as fault:
            _log.warning("shared_key_set_unusable", extra={"issuer": issuer.name, "detail": str(fault)})
            return
        if key_set is not None and now.wall - key_set.fetched_at < issuer.config.key_set_max_stale:
            self._adopt(key_set, None)
            await self._save(key_set, where)

    def open(self) -> None:
        """Begin, or begin again: tokens may wait."""
        self._closed = False

    def close(self) -> asyncio.Task[None] | None:
        """Stop what is under way, which is returned; nobody is kept waiting."""
        self._closed = True
        if self._flight is not None:
            self._flight.cancel()
        return self._flight

    async def _join(self, kid: str | None) -> None:
        """Wait for the attempt that is under way, or for one of our own.  Raises what it failed with beyond its own care."""
        flight = self._flight
        if flight is None or flight.done():  # one that failed in its last words is left there: no reason to wait for it
            flight = self._flight = asyncio.create_task(self._fly(kid))
        await asyncio.wait({flight})
        if not flight.cancelled():
            flight.result()

    async def _fly(self, kid: str | None) -> None:
        """One attempt.  Whatever happens, the next one for a token is not at once."""
        asked = True
        try:
            asked = await self._attempt(kid)
        except IssuerFault as fault:
            self._failed(fault)
        except Exception:  # noqa: BLE001 - whatever it is, this issuer's next attempt must still come
            _log.exception("key_set_refresh_failed", extra={"issuer": self.issuer.name})
            self._failed(IssuerFault(Reason.INTERNAL, "a fault of bearerd; see the log"))
        finally:
            now, quiet = self.issuer.now(), self.issuer.config.unknown_kid_cooldown
            if kid is not None and (asked or self.issuer.wanting(kid, now)):
                self.issuer.quiet_boot = now.boot + (quiet if asked else min(quiet, BRIEF))
            if self._due_in() <= 0 or not self.issuer.usable(now):  # another worker holds the lease, or nothing helped
                self.issuer.retry_boot = max(self.issuer.retry_boot, now.boot + _FIRST_RETRY / 2)
            self._flight = None

    async def _attempt(self, kid: str | None) -> bool:
        """Get newer keys; False where the issuer was not asked.  Raises IssuerFault."""
        if not self.remote:
            now = self.issuer.now()
            read = await asyncio.to_thread(local.read, self.issuer.config, self.issuer.limits, now.wall)
            self._adopt(read, None)
            return True
        if await self._followed_enough(kid) or not await self._may_fetch(kid):
            return False
        try:
            if await self._followed_enough(kid):  # published since we looked
                return False
            strange = kid is not None and self.issuer.usable(self.issuer.now())
            if strange and not await self._leased(
                f"{self.issuer.iss} unknown-kid", self.issuer.config.unknown_kid_cooldown
            ):
                return False
            await self._fetch()
            if strange and kid is not None and not self._holds(kid):
                await self._fetch(elsewhere=True)
        finally:
            if self._shared is not None:
                await self._asked(self._shared.release(self.issuer.iss))
        return True

    async def _may_fetch(self, kid: str | None) -> bool:
        """Take the fleet's fetch lease; wait for it where somebody waits for us, unless its holder's fetch is enough."""
        if await self._leased(self.issuer.iss, LEASE):
            return True
        if kid is None and self.issuer.usable(self.issuer.now()):
            return False  # the background comes again
        until = clock.boot() + OTHER_PATIENCE
        while clock.boot() < until:
            await asyncio.sleep(OTHER_POLL)
            if await self._followed_enough(kid):
                return False
            if await self._leased(self.issuer.iss, LEASE):
                return True
        return False

    def _holds(self, kid: str) -> bool:
        keys = self.issuer.key_set
        return keys is not None and keys.holds(kid)

    async def _fetch(self, *, elsewhere: bool = False) -> None:
        """Ask where the keys were; ``elsewhere``: where else they may be by now, if anywhere.  Raises IssuerFault."""
        ticket, before, where = self.issuer.ticket(), self.issuer.key_set, place.of(self.issuer.config)
        key_set = await (self._source.elsewhere() if elsewhere else self._source.fetch(before))
        if key_set is None:
            return
        now = self.issuer.key_set
        if now is not None and now is not before and now.fetched_at > key_set.fetched_at:
            return  # a peer has asked after us, and was quicker
        if not self._adopt(key_set, ticket):
            return
        if self._shared is not None:
            known = key_set.validators
            await self._asked(
                self._shared.publish(
                    where,
                    key_set.document,
                    jwks_uri=known.jwks_uri,
                    etag=known.etag,
                    fetched_at=known.fetched_at,
                    expires_at=known.expires_at,
                )
            )
        await self._save(key_set, where)

    async def _followed_enough(self, kid: str | None) -> bool:
        """Whether what the store holds makes a fetch needless."""
        await self.follow()
        keys = self.issuer.key_set
        if keys is None or not self.issuer.usable(self.issuer.now()):
            return False
        return self._due_in() > 0 if kid is None else keys.holds(kid)

    def _adopt(self, key_set: KeySet, ticket: int | None) -> bool:
        issuer, before = self.issuer, self.issuer.key_set
        failed = issuer.failures
        if not issuer.adopt(key_set, issuer.now(), ticket):
            return False
        self._early = random.uniform(0.05, 0.25)  # noqa: S311 - spreads load, keeps no secret
        if failed or before is None or before.hash != key_set.hash or before.problems != key_set.problems:
            told = {"issuer": issuer.name, "origin": key_set.origin, "hash": key_set.hash, "keys": len(key_set.keys)}
            _log.info("key_set_loaded", extra=told | {"problems": list(key_set.problems)})
        return True

    def _failed(self, fault: IssuerFault) -> None:
        """Back off; the keys that there are stay."""
        issuer, now = self.issuer, self.issuer.now()
        news = issuer.fault is None or issuer.fault.reason != fault.reason
        most = _LAST_RETRY if issuer.usable(now) else _LAST_RETRY_WITHOUT_KEYS
        most = min(most if self.remote else FILE_POLL, issuer.config.key_set_refresh)
        delay = min(_FIRST_RETRY * 2 ** min(issuer.failures, 10), most)
        issuer.fail(fault, now.boot + delay * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load
        told = {"issuer": issuer.name, "reason": reason_of(fault), "detail": str(fault), "failures": issuer.failures}
        _log.log(logging.WARNING if news else logging.DEBUG, "key_set_fetch_failed", extra=told)

    def _due_in(self) -> float:
        """Seconds until the next attempt; not positive: now.

        By either clock: a wall clock that was set back must not put off the moment at which a key that is gone is missed.
        """
        issuer, now, keys = self.issuer, self.issuer.now(), self.issuer.key_set
        backing_off = issuer.retry_boot - now.boot
        if keys is None:
            return backing_off
        if keys.origin is Origin.INLINE:
            return _LONGEST_SLEEP
        fetched = keys.fetched_at

        def left(life: float) -> float:
            return min(fetched + life - now.wall, issuer.fetched_boot + life - now.boot)

        if not self.remote:
            return max(backing_off, left(min(FILE_POLL, issuer.config.key_set_refresh)))
        # Early by a share that differs between workers, so that not all ask in the moment of expiry.
        return max(backing_off, left((1.0 - self._early) * (keys.expires_at - keys.fetched_at)))

    async def _save(self, key_set: KeySet, where: str) -> None:
        if self._data_dir is None:
            return
        try:
            await asyncio.to_thread(disk.save, self._data_dir, self.issuer.iss, key_set, where, self._seal)
        except OSError as error:
            _log.warning("key_set_not_saved", extra={"issuer": self.issuer.name, "detail": error.strerror})

    async def _leased(self, name: str, seconds: float) -> bool:
        """Whether this worker holds a lease now.  Without an answer from the store it may act: its own bounds hold."""
        if self._shared is None:
            return True
        return await self._asked(self._shared.lease(name, seconds)) is not False

    async def _asked(self, call: Awaitable[_T]) -> _T | None:
        """The store's answer; None where it has none in time."""
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                return await call
        except (StoreError, TimeoutError):
            return None
