"""One process's audit: which decisions leave a record, the chain that the records make, and what happens without room.

A record is chained at once, by the loop that decides, and waits in a bounded queue for each sink's thread.  So nothing of the
chain is ever dropped: what finds no room is dropped before it has a place in it, and a record of its own says how many were.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd import __version__, log
from bearerd._native import clock
from bearerd.audit.chain import Chain
from bearerd.audit.entry import Entries
from bearerd.audit.wanted import ELSEWHERE, Shares, Wanted, wanted
from bearerd.errors import BearerdError
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bearerd.audit.chain import Head
    from bearerd.audit.feeder import Feeder
    from bearerd.audit.record import Record
    from bearerd.config.model import Config
    from bearerd.decision import Decision
    from bearerd.metrics import Metrics

TICK_SECONDS: Final = 0.5
END_SECONDS: Final = 5.0  # for what waits at the end of the process

NO_ROOM: Final = Refusal(Code.OVERLOADED, "there is no room for its audit record", retry_after=1)
NOT_KEPT: Final = Refusal(Code.OVERLOADED, "its audit record could not be written in time", retry_after=1)
_LOGGER: Final = logging.getLogger("bearerd.audit")


class NoRoom(BearerdError):
    """An allow that must not be given, for it would leave no record."""

    code = Code.OVERLOADED


class Auditor:
    """Built with the service; ``start`` needs a loop."""

    def __init__(
        self, config: Config, key: bytes | None, policy: str, subject: Callable[[str], str], metrics: Metrics
    ) -> None:
        """``key``: the chain's, which is not kept.  ``policy``: the version in use."""
        self._settings = config.audit
        self._metrics = metrics
        self.chain: Final = Chain(key)
        self.entries: Final = Entries(subject, config.audit.max_arguments, self._sensitive)
        self._shares = Shares()
        self.wanted = wanted(config)
        self.entries.policy = policy
        self._feeders: Sequence[Feeder] = ()
        self._heads: Callable[[Head], None] = lambda head: None
        self._reserved = 0
        self._sleepers: list[asyncio.Future[None]] = []
        self._dropped = 0
        self.queued = 0
        self._sealed_at = clock.boot()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False

    # ---- what is wanted

    def configure(self, config: Config, policy: str) -> None:
        """Another configuration is in use.  Sinks, key and queue stay as they are."""
        self.wanted = wanted(config)
        self.entries.forget()
        self.entries.policy = policy
        self._event("policy", {"policy": policy})

    def wants(self, decision: Decision) -> bool:
        """Whether this decision leaves a record."""
        return self._shares.due(decision, self.wanted.get(decision.resource, ELSEWHERE))

    def of(self, resource: str) -> Wanted:
        """What is wanted of a resource."""
        return self.wanted.get(resource, ELSEWHERE)

    @property
    def keeps(self) -> bool:
        """Whether no decision of a resource that is audited in full is made without a record."""
        return self._settings.on_full != "drop-and-count"

    @property
    def waits(self) -> bool:
        """Whether each such decision waits until its record is durable."""
        return self._settings.sync == "always"

    def holds(self, resource: str) -> bool:
        """Whether decisions of this resource may have to wait for their records."""
        return self.of(resource).all and (self.keeps or self.waits)

    # ---- sinks that take nothing

    @property
    def down(self) -> dict[str, float]:
        """The sinks that take nothing now, and since when by the wall clock."""
        return {feeder.name: feeder.failing_since for feeder in self._feeders if feeder.failing}

    @property
    def refused(self) -> list[str]:
        """The resources whose decisions wait for such a sink, and are refused."""
        if not self.down or not (self.waits or (self.keeps and self.room <= 0)):
            return []
        return [name for name, of in self.wanted.items() if of.all]

    # ---- room

    @property
    def room(self) -> int:
        """Records that may still come before the slowest sink is full, beside those that are promised."""
        waiting = max((feeder.waiting for feeder in self._feeders), default=0)
        return self._settings.queue - waiting - self._reserved

    @property
    def spare(self) -> int:
        """Records of the lane's that may come now: their decisions are made, and they wait in its ring until then."""
        return max(0, self.room)

    @property
    def ready(self) -> bool:
        """Whether a decision can be made without waiting."""
        return not self.waits and self.room > 0

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[Refusal | None]:
        """Room for one record, kept from before the decision until after it; or the refusal, where there is none."""
        if self.keeps and not await self._has_room():
            self._metrics.inc("bearerd_audit_records_total", "refused")
            yield NO_ROOM
            return
        self._reserved += 1
        try:
            yield None
        finally:
            self._reserved -= 1
            self._wake()

    async def _has_room(self) -> bool:
        until = clock.boot() + (self._settings.wait if self._settings.on_full == "block" else 0.0)
        while self.room <= 0:
            if not await self._sleep(until):
                return False
        return True

    async def kept(self) -> bool:
        """Once all that was recorded until now is durable; False where it takes too long."""
        # Not by the chain's numbers: a fault may have left one without a line, which the verifier tells, and nobody waits for.
        mine, until = [feeder.taken_in for feeder in self._feeders], clock.boot() + self._settings.wait
        while any(feeder.settled < taken for feeder, taken in zip(self._feeders, mine, strict=True)):
            if not await self._sleep(until):
                return False
        return True

    async def _sleep(self, until: float) -> bool:
        """Until a sink has taken something; False once the time is up."""
        left = until - clock.boot()
        if left <= 0:
            return False
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sleeper, left)
        return True

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
        self._sleepers.clear()

    def _told(self) -> None:
        """By a sink's thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._wake)

    def has_place(self, resource: str, *, placed: bool = False) -> bool:
        """Whether a record of this resource finds room: half of it is not for what is not audited in full.

        ``placed``: within ``place``, which keeps one; nobody else takes what is kept so.
        """
        if self.of(resource).all:
            return self.room + (self._reserved if placed else 0) > 0
        return self.room > self._settings.queue // 2

    # ---- records

    def add(self, record: Record, policy: str | None = None, *, promised: bool = False, placed: bool = False) -> None:
        """One decision's record.  ``promised``: there is a place for it.  ``placed``: as for ``has_place``.

        Raises NoRoom for an allow that must leave one; what else finds no room is counted, and a record says so.  Of what
        is not audited in full only half the room is taken: a flood elsewhere drives nobody off.
        """
        resource = record.decision.resource
        if not promised and not self.has_place(resource, placed=placed):
            if self.of(resource).all and self.keeps and record.decision.allowed:
                self._metrics.inc("bearerd_audit_records_total", "refused")
                raise NoRoom("there is no room for its audit record")
            self.drop(1)
            return
        self.take(self.entries.body(record, policy))

    def take(self, body: bytes) -> None:
        """One record's members, for which there is a place."""
        self._tell_dropped()
        self._put(body)
        self.queued += 1

    def _sensitive(self, resource: str, pattern: str) -> None:
        self._metrics.inc("bearerd_sensitive_found_total", resource, pattern)

    def drop(self, count: int) -> None:
        """So many decisions leave none; the next record that finds room is preceded by one that says so."""
        self._dropped += count
        self._metrics.inc("bearerd_audit_records_total", "dropped", by=float(count))

    def withdrawn(self, request_id: str) -> None:
        """A decision was recorded, and refused all the same: its record was not durable in time."""
        self._event("withdrawn", {"request_id": request_id, "reason": NOT_KEPT.code, "detail": NOT_KEPT.detail})

    def _put(self, body: bytes) -> None:
        line = self.chain.line(body)
        for feeder in self._feeders:
            feeder.put(line)
        if self.chain.keyed and self.chain.unsealed >= self._settings.segment_records:
            self.seal()

    def _tell_dropped(self) -> None:
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self._event("dropped", {"records": count})

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        if self._open:
            said = {"time": log.stamp(clock.wall()), "event": name, **fields}
            self._put(orjson.dumps({key: value for key, value in said.items() if value is not None})[1:-1])

    def forgot(self, fields: dict[str, Any]) -> None:
        """A file of records is about to be removed (by a sink's thread)."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._event, "forgotten", fields)

    def seal(self, *, final: bool = False) -> None:
        """End a segment."""
        self._sealed_at = clock.boot()
        line, head = self.chain.seal(log.stamp(clock.wall()).encode(), final=final)
        for feeder in self._feeders:
            feeder.put(line)
        self._heads(head)

    # ---- its life

    def start(
        self,
        make: Callable[[Callable[[], None], Callable[[dict[str, Any]], None]], Sequence[Feeder]],
        heads: Callable[[Head], None],
    ) -> None:
        """Open the sinks that ``make`` gives, and begin the chain.  ``heads`` takes those of sealed segments."""
        self._loop = asyncio.get_running_loop()
        self._feeders = make(self._told, self.forgot)
        self._heads = heads
        for feeder in self._feeders:
            feeder.start()
        self._open = True
        self._event(
            "start",
            {"bearerd": __version__, "host": socket.gethostname(), "pid": os.getpid(), "policy": self.entries.policy}
            | {"on_full": self._settings.on_full, "sync": self._settings.sync},
        )

    async def run(self) -> None:
        """Seal in time, and bring the metrics up to date."""
        while True:
            self.look()
            await asyncio.sleep(TICK_SECONDS)

    def look(self) -> None:
        """Once."""
        self._wake()  # whom a fault has left asleep
        if self.room > 0:
            self._tell_dropped()
        due = clock.boot() - self._sealed_at >= self._settings.segment_time
        if self.chain.keyed and self.chain.unsealed and due:
            self.seal()
        self._metrics.follow(self.queued, "bearerd_audit_records_total", "queued")
        self._metrics.set(self._settings.queue - self._reserved - self.room, "bearerd_audit_waiting")
        for feeder in self._feeders:
            feeder.look()
            self._metrics.set(float(not feeder.failing), "bearerd_audit_sink_up", feeder.name)

    async def close(self) -> None:
        """Say what was dropped, seal for good, and wait for the sinks, though not for ever."""
        if not self._open:
            return
        self._tell_dropped()
        if self.chain.keyed:
            self.seal(final=True)
        else:
            self._event("end", {})
        self._open = False
        for feeder in self._feeders:
            if not await asyncio.to_thread(feeder.close, END_SECONDS):
                _LOGGER.error("audit records are lost", extra={"sink": feeder.name, "records": feeder.waiting})
        self._wake()
