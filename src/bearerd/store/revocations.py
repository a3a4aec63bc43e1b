"""Writing revocations: what ``/v1/revocations``, ``/revoke`` (RFC 7009) and ``bearerd revoke`` do."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bearerd._native import clock
from bearerd._native.revocations import ENTRY_SIZE, EVERY_KEY, pack, unpack
from bearerd.errors import StoreError, StoreFull
from bearerd.store import entries, lives
from bearerd.store.commits import Commits
from bearerd.store.entries import Kind
from bearerd.store.server import Durability
from bearerd.store.sync import GRACE, Enforced, Sync
from bearerd.store.view import RESERVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.store.client import Link
    from bearerd.store.protocol import Wrote

Ack = Literal["stored", "enforced"]
_TRIES: Final = 16  # other writers may be quicker; each of our failures is a success of theirs
_FIRST_LOOK: Final = 0.001  # seconds between questions whether a revocation is enforced; doubles
_LONGEST_LOOK: Final = 0.05
DEFAULT_SLACK: Final = 2.0


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a revocation."""

    sequence: int
    acknowledged: Ack | None  # None: written, but neither is certain
    durability: str  # the level that it got: "memory" | "fsync" | "replicas=N"
    missing: tuple[str, ...] = ()  # what stands between this and the acknowledgement that was asked for
    enforced_by: int | None = None  # epoch seconds by which every worker refuses even so

    @property
    def complete(self) -> bool:
        """Whether the acknowledgement asked for was reached (201; otherwise 202)."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of the store.  Only the key is kept of what was revoked: 16 bytes of a digest."""

    sequence: int
    key: bytes
    cutoff: int  # epoch seconds; lives.FOREVER: all; 0: a tombstone (a lift, or under EVERY_KEY a reset)
    expiry: int  # epoch seconds; lives.FOREVER: until lifted
    at: int  # epoch microseconds


class Writer:
    """Writes through one process's ``Sync``: a writer names its position, so it must be a reader too."""

    def __init__(
        self,
        sync: Sync,
        *,
        max_revocations: int,
        retention: float = 26 * 3600.0,
        enforce_timeout: float = 2.0,
        durability: Durability | None = None,
        slack: Callable[[str], float] = lambda issuer: DEFAULT_SLACK,
    ) -> None:
        """``retention``, ``enforce_timeout`` in seconds.  ``slack(issuer)``: that issuer's ``cutoff_slack`` (seconds)."""
        self._sync = sync
        self._limit = max_revocations
        self._retention = retention
        self._timeout = enforce_timeout
        self._durability = durability or Durability()
        self._commits = Commits(sync.client, self._durability, enforce_timeout)
        self._slack = slack

    async def revoke(
        self,
        kind: Kind,
        issuer: str,
        value: str,
        before: int | Literal["all"] | None = None,
        expires_in: float | None = None,
        ack: Ack = "enforced",
        *,
        until: float | None = None,
    ) -> Written:
        """Revoke what was issued at or before a cut-off (contracts section 5 has the defaults).

        ``until``: a token's ``exp`` plus leeway, or an API key's end, if known (epoch seconds).  Raises ValueError for a
        request that makes no sense (400), StoreFull at the limit (507), StoreError (503; the outcome may be unknown, and
        repeating it does no harm).
        """
        key = _key(kind, issuer, value)

        def terms(now: float) -> lives.Terms:
            cut = lives.cutoff(kind, now, before, self._slack(issuer))
            last = lives.expiry(kind, issuer, now, cut, retention=self._retention, until=until, expires_in=expires_in)
            return lives.Terms(cut, last)

        terms(clock.wall())  # a request that makes no sense is refused also while the store is away
        return await self._write(key, terms, self._limit, ack)

    def revoked(self, kind: Kind, issuer: str, value: str) -> bool:
        """Whether this process knows of anything that is revoked under this name now."""
        return self._sync.view.table.cutoff(_key(kind, issuer, value), int(clock.wall())) > 0

    async def lift(self, kind: Kind, issuer: str, value: str, ack: Ack = "enforced") -> Written:
        """Undo every earlier revocation of this key, known here or not.  Raises as ``revoke``."""
        key = _key(kind, issuer, value)
        return await self._write(
            key, lambda now: lives.tombstone(kind, issuer, now, self._retention), self._limit + RESERVE, ack
        )

    async def reset(self, ack: Ack = "enforced") -> Written:
        """Undo every earlier revocation of the fleet, for good: put back with an old dump they stay undone."""
        return await self._write(EVERY_KEY, lambda now: lives.reset(), self._limit + RESERVE, ack)

    async def page(self, after: int = 0, most: int = 100) -> list[Listed]:
        """The store's entries after a sequence, oldest first, at most ``most``; fewer: there are no more.  Raises StoreError.

        What is not from the fleet (of before another key, say) makes no page shorter: whoever pages would take it for the last.
        """
        listed: list[Listed] = []
        log = self._sync.log
        async with self._sync.client.borrow() as link:
            buckets = await log.buckets(link)
            while len(listed) < most:
                found: list[tuple[int, bytes]] = []
                for bucket in buckets:
                    found += await log.page(link, bucket, after, most)
                if not found:
                    break
                found = sorted(found)[:most]
                after = found[-1][0]
                for sequence, member in found:
                    entry, refused = log.opened([member])
                    if not refused:
                        listed.append(Listed(sequence, *unpack(entry)))
        return listed[:most]

    def in_force(self, kind: Kind, issuer: str, value: str) -> int:
        """The cut-off in force for a key by this process's view (0: none)."""
        view = self._sync.view
        return view.table.cutoff(entries.key(kind, issuer, value), int(view.time.now().latest))

    # ---- one write

    async def _write(self, key: bytes, terms: Callable[[float], lives.Terms], limit: int, ack: Ack) -> Written:
        deadline = clock.boot() + self._timeout
        (member, wrote), durable = await self._commits.write(
            lambda link: self._append(link, key, terms, limit, deadline)
        )
        asking = asyncio.create_task(self._enforced(member, deadline)) if ack == "enforced" else None
        try:
            got = await asyncio.shield(durable)
            found = await asking if asking else None
        finally:
            if asking:
                asking.cancel()
        missing: tuple[str, ...] = () if got == self._durability.name else (f"durability {self._durability.name}",)
        if found and found.lost:
            raise StoreError("the store lost the revocation at once: repeat it")
        if found and found.done and not missing:
            return Written(wrote.position.sequence, "enforced", got)
        missing += found.missing if found else ()
        reached: Ack | None = "stored" if got == self._durability.name else None
        return Written(wrote.position.sequence, reached, got, missing, self._certain(wrote) if missing else None)

    async def _append(
        self, link: Link, key: bytes, terms: Callable[[float], lives.Terms], limit: int, deadline: float
    ) -> tuple[bytes, Wrote]:
        """Propose an ``at``, seal, write; again with a later one when somebody else was quicker."""
        sync, at = self._sync, 0
        now = ours = sync.view.time.now().latest
        for _ in range(_TRIES):
            cut, last = terms(now)
            member = sync.log.sealed(pack(key, cut, last, at))
            wrote = await sync.log.write(link, sync.view.position, member, limit)
            if wrote.answer == "ok":
                return member, wrote
            if wrote.answer == "full":
                raise StoreFull("the store holds max_revocations entries: nothing more is acknowledged")
            if wrote.answer == "lost":
                await self._positioned(deadline)
            # A clock that is behind would have revoked what was issued until hours ago, or until an end that is over.
            now = max(ours, wrote.now / 1e6)
            at = max(wrote.now, wrote.latest_at + 1, sync.view.table.latest_at() + 1)
        raise StoreError("too many writers at once")

    async def _positioned(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, deadline - clock.boot())):
                await self._sync.positioned()
        except TimeoutError:
            raise StoreError(f"this process has no position in the store: {self._sync.view.problem}") from None

    async def _enforced(self, member: bytes, deadline: float) -> Enforced:
        pause = _FIRST_LOOK
        while True:
            try:
                found = await self._sync.enforced(member, max(0.05, deadline - clock.boot()))
            except StoreError as error:
                found = Enforced(done=False, lost=False, missing=(str(error),))
            if found.done or clock.boot() + pause > deadline:
                return found  # until then also a lost entry may be put back, and a lost position found again
            self._sync.wake()
            await asyncio.sleep(pause)
            pause = min(_LONGEST_LOOK, 2 * pause)

    def _certain(self, wrote: Wrote) -> int:
        """When every lease that may lack the entry has lapsed (epoch seconds, the store's clock)."""
        return math.ceil(wrote.now / 1e6 + self._sync.longest + GRACE)


def _key(kind: Kind, issuer: str, value: str) -> bytes:
    if not issuer:
        raise ValueError("issuer: is empty")
    if kind is Kind.ISSUER:
        if value not in ("", issuer):
            raise ValueError("value: of kind issuer it is empty, or the issuer again")
        value = ""
    elif not value:
        raise ValueError("value: is empty")
    return entries.key(kind, issuer, value)


assert len(EVERY_KEY) + 16 == ENTRY_SIZE  # noqa: S101 - the layout that the scripts read
