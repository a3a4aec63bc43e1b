"""The API keys that this worker knows, and how it learns of others: from memory, or by one read of the store for all that wait.

A key is looked up at its first sight; who asks waits for that, and nobody else.  After it the record is at hand, and is read
again before it is too old for as long as the key is used.  Ids are cheap to make up: an unknown one is remembered for a while,
one read serves all that have come meanwhile, no more of them wait than may, and reads are so far apart that strangers cannot
make the store's day.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from bearerd import log
from bearerd._native import clock
from bearerd.apikeys.vault import MOST_AT_ONCE, Vault
from bearerd.decision import Pending, Wait
from bearerd.errors import StoreError
from bearerd.refusals import Code, Refusal
from bearerd.store.entries import API_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd._native.generations import Generations
    from bearerd.apikeys.pepper import Pepper
    from bearerd.apikeys.record import Record
    from bearerd.decision import Now
    from bearerd.store.client import Client

PER_SECOND: Final = 2_000  # look-ups of a worker
UNKNOWN_SECONDS: Final = 10.0  # for which an id that there is no key of is not asked for again
MOST_UNKNOWN: Final = 4_096
RETRY_SECONDS: Final = 1.0  # after a read that failed
USED_SECONDS: Final = 60.0  # between two notes in the store that a key is in use
SHARE: Final = 3  # times that a record is read within ``max_staleness``

_NO_KEY: Final = Refusal(Code.UNKNOWN_KEY, "there is no API key of this id")
_MANY: Final = Refusal(Code.OVERLOADED, "more API keys wait for their first look-up than may", retry_after=1)
_AWAY: Final = Refusal(Code.STALE_STATE, "the store does not answer: no API key can be looked up", retry_after=1)


class Observer(Protocol):
    """Who counts what happens here."""

    def apikey_lookups(self, result: str, count: int) -> None:
        """So many look-ups came to ``found``, ``unknown``, ``forged`` or ``failed``."""

    def apikeys_active(self, count: int) -> None:
        """So many keys are in force in the fleet."""


@dataclass(slots=True)
class Known:
    """A record, and when (boot time, seconds) it was read, the key was used, and that was noted."""

    record: Record
    read: float
    used: float
    noted: float = -math.inf


class Ring:
    """Of one process.  ``look`` never waits; ``want`` does."""

    def __init__(
        self, observer: Observer, generations: Generations, *, max_staleness: float, most: int, most_waiting: int
    ) -> None:
        """``generations``: one of them moves before anybody can see that a record is another than it was, or has gone."""
        self._observer = observer
        self._generations = generations
        self._max_staleness = max_staleness
        self._most = most
        self._most_waiting = max(1, most_waiting)
        self._client: Client | None = None
        self._pepper: Pepper | None = None
        self._known: dict[str, Known] = {}
        self._unknown: dict[str, float] = {}  # id -> until when
        self._asked: dict[str, asyncio.Future[StoreError | None]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._doubted = -math.inf  # boot time: what was asked for before it may be of before a lift
        self._retry = -math.inf  # boot time before which a failed read is not tried again
        self.vault: Vault | None = None
        self.index = 0  # of the records' generation, among those of the issuers' keys

    def join(self, client: Client) -> None:
        """The store can be asked from now on."""
        self._client = client
        self._open()

    def take(self, pepper: Pepper | None, issuers: int) -> None:
        """Of a configuration with so many issuers.  None: no resource takes API keys.  Under another pepper none is known."""
        self.index = issuers  # those below are theirs
        if pepper != self._pepper:
            self._known.clear()
            self._unknown.clear()
            self._changed()
        self._pepper = pepper
        self._open()

    @property
    def on(self) -> bool:
        """Whether there are API keys at all."""
        return self._pepper is not None

    @property
    def pepper(self) -> Pepper:
        """Only where it is ``on``."""
        if self._pepper is None:
            raise RuntimeError("no resource takes API keys")
        return self._pepper

    @property
    def generation(self) -> int:
        """Moves with each change of a record that is known here."""
        return self._generations.key_set(self.index)

    def look(self, key_id: str, now: Now) -> Known | Refusal | Pending:
        """What is known of a key.  Pending: ``want`` brings it, or that there is none."""
        known = self._known.get(key_id)
        if known is not None:
            known.used = now.boot
            old = self._age(known, now) > self._max_staleness
            return Pending(Wait.APIKEY, API_KEYS, key_id) if old and now.boot >= self._retry else known
        if now.boot < self._unknown.get(key_id, -math.inf):
            return _NO_KEY
        if now.boot < self._retry:
            return _AWAY
        return _MANY if len(self._asked) >= self._most_waiting else Pending(Wait.APIKEY, API_KEYS, key_id)

    def age(self, key_id: str, now: Now) -> float:
        """Seconds since a key's record was read; infinite where it is not known, or something was lifted since."""
        known = self._known.get(key_id)
        return math.inf if known is None else self._age(known, now)

    async def want(self, key_id: str) -> None:
        """Read a key's record.  Raises StoreError where it is lacking and cannot be read."""
        waiter = self._asked.get(key_id)
        if waiter is None:
            waiter = self._asked[key_id] = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all(), name="API keys: read")
        fault = await asyncio.shield(waiter)
        if fault is not None and key_id not in self._known:
            raise fault

    def revoked(self, key_id: str) -> bool:
        """Whether the record that is known says so."""
        known = self._known.get(key_id)
        return known is not None and known.record.revoked is not None

    def adopt(self, record: Record) -> None:
        """This process has changed it: none of its own requests is to be judged by what was before."""
        self._put(record.id, record, clock.boot())

    def doubt(self) -> None:
        """Something was lifted: each key is read again before it is allowed once more.

        A key is revoked by an entry first, and then for good by its record.  Once the entry is lifted only the record
        says so, and the one at hand may be of before.
        """
        self._doubted = clock.boot()
        if self._known:
            self._changed()

    async def run(self) -> None:
        """Keep the records of the keys in use fresh, and say in the store that they are, until cancelled."""
        while True:
            await asyncio.sleep(self._max_staleness / SHARE)
            if self.vault is not None:
                await self._refresh(self.vault)

    async def close(self) -> None:
        """Stop reading; whoever still waits is told."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        asked, self._asked = self._asked, {}
        for waiter in asked.values():
            if not waiter.done():
                waiter.set_result(StoreError("closing"))

    # ---- within

    def _age(self, known: Known, now: Now) -> float:
        return now.boot - known.read if known.read > self._doubted else math.inf

    def _changed(self) -> None:
        self._generations.bump_key_set(self.index)

    def _open(self) -> None:
        ready = self._client is not None and self._pepper is not None
        self.vault = Vault(self._client, self._pepper) if ready and self._client and self._pepper else None

    async def _read_all(self) -> None:
        while self._asked:
            batch = dict(islice(self._asked.items(), MOST_AT_ONCE))
            fault = await self._read(list(batch))
            if fault is not None:  # nor could the others be read: none of them waits for a time-out of its own
                batch = dict(self._asked)
            for key_id, waiter in batch.items():
                del self._asked[key_id]
                if not waiter.done():
                    waiter.set_result(fault)
            await asyncio.sleep(len(batch) / PER_SECOND)

    async def _refresh(self, vault: Vault) -> None:
        since = clock.boot() - 2 * self._max_staleness
        used = [key_id for key_id, known in self._known.items() if known.used >= since]
        for start in range(0, max(1, len(used)), MOST_AT_ONCE):
            if await self._read(used[start : start + MOST_AT_ONCE]) is not None:
                return
        await self._note(vault)

    async def _read(self, ids: Sequence[str]) -> StoreError | None:
        """One read; what is wrong with it, if it failed."""
        vault, began = self.vault, clock.boot()
        try:
            if vault is None:
                raise StoreError("there is no store here")
            found = await vault.read(ids)
        except Exception as error:  # noqa: BLE001 - whatever it is: nobody may wait for ever
            self._retry = clock.boot() + RETRY_SECONDS
            self._observer.apikey_lookups("failed", len(ids))
            return error if isinstance(error, StoreError) else StoreError(f"API keys: {log.told(error)}")
        if vault is self.vault:  # else another pepper has come meanwhile
            for key_id, stored in found.keys.items():
                self._put(key_id, None if stored is None else stored.record, began)
        good = sum(stored is not None for stored in found.keys.values())
        self._observer.apikey_lookups("found", good)
        self._observer.apikey_lookups("forged", found.forged)
        self._observer.apikey_lookups("unknown", len(ids) - good - found.forged)
        self._observer.apikeys_active(found.active)
        return None

    def _put(self, key_id: str, record: Record | None, read: float) -> None:
        """What was read at that boot time."""
        known = self._known.get(key_id)
        if known is not None and read < known.read:
            return  # a reply that was long under way, and says what was before
        if known is not None and record != known.record:
            self._changed()
        elif known is None and record is not None and len(self._known) >= self._most:
            self._changed()  # one is forgotten: what was made of it is not to outlive whatever becomes of it meanwhile
        if record is None:
            self._known.pop(key_id, None)
            self._unknown.pop(key_id, None)
            self._forget_one(self._unknown, MOST_UNKNOWN)
            self._unknown[key_id] = read + UNKNOWN_SECONDS
            return
        self._unknown.pop(key_id, None)
        if known is not None:
            known.record, known.read = record, read
        else:
            self._forget_one(self._known, self._most)
            self._known[key_id] = Known(record, read, read)

    async def _note(self, vault: Vault) -> None:
        """Which keys are in use: once a minute for each, and nobody waits for it."""
        now = clock.boot()
        used = [
            known for known in self._known.values() if known.used > known.noted and now - known.noted >= USED_SECONDS
        ]
        for start in range(0, len(used), MOST_AT_ONCE):
            some = used[start : start + MOST_AT_ONCE]
            try:
                await vault.used([known.record.id for known in some], int(clock.wall()))
            except StoreError:
                return
            for known in some:
                known.noted = now

    @staticmethod
    def _forget_one(table: dict[str, Known] | dict[str, float], most: int) -> None:
        """The one that came first, where there is no room for another."""
        if len(table) >= most:
            del table[next(iter(table))]
