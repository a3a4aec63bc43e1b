"""The slow loop that keeps a view of the revocations fresh (contracts section 5; docs/protocol_model.py is its model).

Heartbeat: one script that checks the position, renews the lease with it as acknowledged, and returns what came after.  The
doorbell makes the next one come at once.  A position that the store does not know (flushed, restored, failed over with loss,
clock jumped) is a *break*: read everything, put back what the store lacks, and have no position until a complete read made
after that lacked nothing.  A worker without a live lease does not trust what it finds: it puts back, waits a round for the
others to do the same, and only then takes a lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import random
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd._native.revocations import Full
from bearerd.errors import StoreError
from bearerd.store import lives, reconcile, server
from bearerd.store.breath import Breath
from bearerd.store.doorbell import Doorbell
from bearerd.store.protocol import Beat, Log, Position
from bearerd.store.replies import shaped
from bearerd.store.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.store.client import Client, Link

__all__ = ["GRACE", "Enforced", "Pace", "Position", "Sync", "View", "new_lease"]

GRACE: Final = 2.0  # seconds that the store counts a lease longer: the clocks of two servers may differ by that much
_SLOTS: Final = 10_000  # of the table, looked through for what has ended in one heartbeat
_MOST: Final = 1_000  # members in the reply of a heartbeat; more are paged
_PASSES: Final = 64  # reads of everything in one round before giving up on this connection
_JUMP: Final = 1.0  # seconds that the store's clock may stray from ours between two heartbeats
_FRESH: Final = 1.0  # seconds by which an entry's ``at`` may precede its write (write.lua)
_FIRST_PAUSE: Final = 0.05
_JOINING: Final = "joining: other workers get a round to put back what the store may lack"
_log = logging.getLogger("bearerd.store")


@dataclass(frozen=True, slots=True)
class Pace:
    """The loop's times, in seconds, from ``store.max_staleness``."""

    lease: float
    heartbeat: float
    round: float  # how long the others get to put back: a heartbeat and a time-out

    @classmethod
    def of(cls, max_staleness: float, timeout: float) -> Pace:
        """A heartbeat is a tenth of the staleness, between half a second and three."""
        heartbeat = min(3.0, max(0.5, max_staleness / 10))
        return cls(max_staleness, heartbeat, heartbeat + timeout)


@dataclass(frozen=True, slots=True)
class Enforced:
    """Whether an entry is in force everywhere, and if not, what is missing."""

    done: bool
    lost: bool  # the entry is not in the store now
    missing: tuple[str, ...]


def new_lease() -> str:
    """A name for one incarnation of one process: never used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"


class Sync:
    """Keeps one view; one a process."""

    def __init__(
        self,
        view: View,
        client: Client,
        *,
        max_staleness: float = 30.0,
        lease: str | None = None,
        replicated: bool = False,
        store_is_ours: bool = False,
        pace: Pace | None = None,
        observe: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """``lease``: this incarnation's name; None makes one; "" is an observer that takes none (a process that decides
        nothing).  ``replicated``: a replica must confirm each heartbeat (also found out from the server).
        ``store_is_ours``: this process tree started the store and nobody else can know more than it holds: no wait.
        ``observe(seconds)``: how long a revocation took to arrive.
        """
        self.view = view
        self.client = client
        self.log = Log(client)
        self.lease = new_lease() if lease is None else lease
        self.pace = pace or Pace.of(max_staleness, client.timeout)
        self.longest = self.pace.lease
        self._replicated = replicated or client.where.replicated
        self._trusted = store_is_ours
        self._observe = observe
        self._bell = Doorbell(client, self.wake)
        self._breath = Breath()
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._settled = -math.inf  # boot time at which the last heartbeat was sent that found our position
        self._link: Link | None = None
        self._since: float | None = None  # boot time from which this connection's store never lost our position
        self._embedded = store_is_ours  # whatever it acknowledged is on its disk
        self._held: float | None = None  # what ``_since`` was on the last connection, if nothing was lost with it
        self._lapses = 0  # when our lease does, by the last heartbeat (milliseconds, the store's clock)
        self._ended = ""  # why the last connection did, until a heartbeat counts: joining anew must not hide it
        self._breaks = 0
        self._returned = 0  # heartbeats that brought entries older than the last one: somebody is putting back
        self._skew: tuple[float, float] | None = None  # store's clock minus ours lies within, by the last heartbeat
        self._forgot = -math.inf  # boot time
        self._brought = 0  # revocations, by the last heartbeat
        self._last_beat = 0  # the store's clock (microseconds) at the last heartbeat

    # ---- for others

    def wake(self) -> None:
        """Make the next heartbeat come at once."""
        self._wake.set()

    async def caught_up(self) -> None:
        """Wait until a heartbeat counts that was sent from now on."""
        start = clock.boot()
        while self.view.counted < start:
            await self._next()

    async def positioned(self) -> None:
        """Wait until the store knows our position, by a heartbeat sent from now on; it need not count."""
        start = clock.boot()
        while self._settled < start:
            await self._next()

    async def _next(self) -> None:
        self._progress.clear()
        self.wake()
        await self._progress.wait()

    async def enforced(self, member: bytes, seconds: float) -> Enforced:
        """Ask once whether every live lease has acknowledged a member.  Raises StoreError.

        It is so only on a connection that has known its store for the longest lease and the grace: leases that were lost
        with a store have lapsed by then.
        """
        link = self._link
        if link is None:
            raise StoreError("not connected to the store")
        found = await self.log.enforced(link, self.view.position, member)
        self.longest = max(self.longest, found.longest - GRACE)
        missing = list(found.missing)
        held = clock.boot() - self._since if self._since is not None and link is self._link else -math.inf
        if held < self.longest + GRACE:
            missing.append("leases that this connection may not know of yet")
        elif found.answer == "ok" and self._replicated and await self._confirmed(link, seconds) < 1:
            missing.append("a replica")
        if found.answer == "waiting" and not found.missing:
            missing.append("this process")
        if found.answer == "lost":
            missing.append("a position that the store knows")
        return Enforced(found.answer == "ok" and not missing, found.answer == "gone", tuple(missing))

    async def release(self) -> None:
        """Give the lease up, once this process answers nothing any more.  Raises StoreError."""
        if self.lease:
            await release(self.client, self.lease)

    # ---- the loop

    async def run(self) -> None:
        """Run until cancelled, through any fault of the store."""
        bell = asyncio.create_task(self._bell.run())
        pause = _FIRST_PAUSE
        try:
            while True:
                before = self.view.counted
                try:
                    await self._session()
                except StoreError as error:
                    self.view.problem = self._ended = str(error)
                except Full:
                    self.view.problem = "the store holds more revocations than limits.max_revocations allows to load"
                except Exception as error:  # noqa: BLE001 - an answer of another shape: the view ages, and the loop must outlive it
                    _log.exception("sync failed")
                    self.view.problem = f"sync failed: {type(error).__name__}"
                self.view.asked = True
                pause = _FIRST_PAUSE if self.view.counted > before else min(self.pace.heartbeat, 2 * pause)
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter
        finally:
            bell.cancel()
            await asyncio.gather(bell, return_exceptions=True)

    def store_moved(self) -> None:
        """It ended and was started again: what it holds is no longer all that anybody knows."""
        self._trusted, self._embedded = False, True

    async def _session(self) -> None:
        """One connection, until it fails."""
        await self.client.renew()  # writers, too, are to meet the server that we meet
        link = await self.client.link()
        self._since = -math.inf if self._trusted else None
        skew, self._skew = self._skew, None
        try:
            facts = await server.admit(link)
            self._replicated = self._replicated or facts.replicas > 0
            if self._since is None and self._held is not None:
                if await self._kept(link):
                    self._since, self._skew = self._held, skew  # also of its clock, by which leases are reckoned
                else:
                    self._held = None
            self._link = link
            while True:
                await self._breath.draw(self._brought)
                self._wake.clear()
                more = await self._round(link)
                self._forget()
                if not more:
                    await self._rest()
        finally:
            self._link = None
            self._held, self._since = self._held if self._since is None else self._since, None
            if math.isfinite(self.view.counted):
                self._trusted = False
            await link.close()

    async def _rest(self) -> None:
        pause = self.pace.heartbeat * random.uniform(0.8, 1.0)  # noqa: S311 - jitter, so that a fleet spreads out
        with contextlib.suppress(TimeoutError), self._bell.needed():
            async with asyncio.timeout(pause):
                await self._wake.wait()

    def _forget(self) -> None:
        """Drop what has ended, a piece with each heartbeat of a store where nothing happens, and no more often."""
        now = clock.boot()
        if now - self._forgot >= 0.75 * self.pace.heartbeat:  # rests are shorter than a heartbeat, by some jitter
            self._forgot = now
            self.view.table.expire(self.view.time.forgetting(), _SLOTS)

    async def _round(self, link: Link) -> bool:
        """Bring the view up to date and count it; returns whether there is more to confirm at once."""
        while True:
            joining = self._lapsed() and not self._trusted
            if joining:
                self.view.problem = _JOINING + (f" (before that: {self._ended})" if self._ended else "")
                await self._settle(link, leased=False)
                stirred = self._breaks, self._returned
                await asyncio.sleep(self.pace.round)
            sent, more = await self._settle(link, leased=True)
            if joining and (self._breaks, self._returned) != stirred:
                self.view.asked = True  # nobody can say how long this goes on
                continue  # begun anew at each break, and while the others are not done
            if joining and not math.isfinite(self.view.counted):
                self._check_clock()
            if not joining and not self._trusted and self._lapsed():
                continue  # it took so long that the lease has run out
            break
        if self._replicated and await self._confirmed(link, self.client.timeout / 2) < 1:
            # A cut-off primary still takes writes, and looks fresh for ever.
            self.view.problem = "no replica confirms the heartbeat"
            if self.client.where.replicated or self._lapsed():
                # The sentinels may have chosen another primary by now, or the address leads to one.
                raise StoreError(self.view.problem)
            return False
        self.view.count(sent)
        self._ended = ""
        if self._since is None:
            self._since = sent
        self._progress.set()
        return more

    async def _settle(self, link: Link, *, leased: bool) -> tuple[float, bool]:
        """Heartbeats until one finds our position and everything after it is applied.

        Returns when that one was sent (boot time) and whether it brought anything.
        """
        for _ in range(_PASSES):
            sent = clock.boot()
            beat = await self.log.beat(
                link, self.view.position, self.lease if leased else "", self.pace.lease + GRACE, _MOST
            )
            self.longest = max(self.longest, beat.longest - GRACE)
            if leased:
                self._lapses = beat.now // 1000 + int((self.pace.lease + GRACE) * 1000)
            if self._in_step(beat, sent) and beat.known:
                before, self._last_beat, self._brought = self._last_beat, beat.now, len(beat.members)
                news = beat.position != self.view.position
                await reconcile.catch_up(link, self.log, self.view, beat)
                if self.view.time.forgot_too_much:
                    await reconcile.again(link, self.log, self.view)
                self._report(beat, before, sent)
                self._settled = sent
                self._progress.set()
                return sent, news
            await self._mend(link, beat)
        raise StoreError("the store changed faster than it could be read")

    async def _mend(self, link: Link, beat: Beat) -> None:
        """After a break: everything is read, and what the store lacks is put back."""
        self._breaks += 1
        if self.view.position is not None:
            if not beat.known:  # else its clock jumped, which was told
                _log.warning("the store does not know our position: it was flushed, restored or failed over with loss")
            self._trusted = False
        if not self._trusted:
            self._since = self._held = None
        self.view.position = None
        self._last_beat = beat.now
        lacking = await reconcile.everything(link, self.log, self.view, beat.now / 1e6)
        if lacking:  # we know more than the store (by a snapshot, perhaps), and so may others
            self._trusted, self._since, self._held = False, None, None
        if lacking or not beat.marked:
            added = await reconcile.put_back(link, self.log, self.view, lacking)
            if added:
                _log.warning("put %d revocations back that the store lacked", added)
        else:
            self.view.position = beat.position

    async def _kept(self, link: Link) -> bool:
        """Whether an embedded store has every lease that it ever granted, though it ended, or we lost it, since.

        Its log on the disk is in order, and nothing is acknowledged before it is there: where our own lease is as our last
        heartbeat left it, what was granted before is there, too, and what was granted later was on the disk when it was.
        """
        if not (self._embedded and self.lease and self._lapses):
            return False
        lease = await link.call("HGET", self.client.names.leases, self.lease)
        with shaped():
            return lease is not None and int(lease.split()[0]) >= self._lapses

    # ---- its senses

    def _lapsed(self) -> bool:
        """No live lease: whoever decides by this view refuses."""
        return clock.boot() - self.view.counted >= self.pace.lease

    def _in_step(self, beat: Beat, sent: float) -> bool:
        """Whether the store's clock ran on as ours did: leases are reckoned by it."""
        received = clock.boot()
        now = beat.now / 1e6
        low, high = now - received, now - sent
        previous, self._skew = self._skew, (low, high)
        if previous is None:
            return True
        if low > previous[1] + _JUMP or high < previous[0] - _JUMP:
            _log.warning("the store's clock jumped by about %.1f s", low - previous[0])
            return False
        return True

    def _check_clock(self) -> None:
        """Whoever comes anew knows what the store still holds, and one whose clock is far ahead drops entries before their end."""
        ahead = self._last_beat / 1e6 - self.view.time.now().latest
        if ahead > lives.HOUR:  # for so long it keeps what has ended
            raise StoreError(f"the store's clock is {ahead:.0f} s ahead of ours: what is revoked may be gone from it")

    async def _confirmed(self, link: Link, seconds: float) -> int:
        """How many replicas hold everything written on this connection so far."""
        reply = await link.call("WAIT", 1, max(1, int(seconds * 1000)), blocks=seconds)
        with shaped():
            return int(reply)

    def _report(self, beat: Beat, before: float, sent: float) -> None:
        """How long each revocation took from its write to our table; put-back ones keep an old ``at`` and tell of others."""
        waited = clock.boot() - sent
        ages = [(beat.now - int.from_bytes(member[24:32], "big")) / 1e6 for member in beat.members]
        since = (beat.now - before) / 1e6 + _FRESH
        for age in ages:
            if 0 <= age < since:
                self._observe(age + waited)
        self._returned += beat.behind or any(age >= since for age in ages)


async def release(client: Client, lease: str) -> None:
    """Give a lease up for a process that has ended: a supervisor does it for a worker that it reaped.  Raises StoreError."""
    await client.call("HDEL", client.names.leases, lease)
