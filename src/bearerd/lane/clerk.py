"""The lane's clerk: decides what does not stand ready, by the flow that every face uses, and prepares what may be reused."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd._native.connection import Connection
from bearerd._native.lane import Lane
from bearerd._native.ring import Ring
from bearerd.audit.recorder import Trail
from bearerd.decision import Pending
from bearerd.faces import asked, peer, wire
from bearerd.faces.asked import Seen
from bearerd.faces.reply import reply
from bearerd.flow import Flow
from bearerd.lane import notes, plan
from bearerd.lane.frames import Frames
from bearerd.lane.leftovers import Leftovers
from bearerd.lane.turns import Turns
from bearerd.metrics import HITS, MISSES
from bearerd.refusals import Refusal
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd._native.question import Question
    from bearerd._native.ring import Noted
    from bearerd._native.route import Route, Routes
    from bearerd.audit.auditor import Auditor
    from bearerd.audit.record import Record
    from bearerd.current import Current
    from bearerd.decision import Reuse
    from bearerd.faces.asked import Asked
    from bearerd.flow import Decided
    from bearerd.policy.resource import Policy
    from bearerd.service import Service

CHECK_SECONDS: Final = 1.0  # between two looks at who is slow
# From a note to its line: one by one, each would find the processor's caches as the lane left them.
LINES_SECONDS: Final = 0.05
RECORDS_SECONDS: Final = 0.005  # from a note to its audit record
LEAST_NOTES: Final = 4_096
PLANS: Final = 4  # configurations whose notes can be told
AT_ONCE: Final = 256  # notes that become audit records before the loop turns to others
LINES_AT_ONCE: Final = 32  # likewise lines, at the least
LINES_SHARE: Final = 8  # or one in so many of what waits: a crowd that comes with each turn is written as it comes


class Clerk:
    """Of one process.  ``connection()`` is what a listener makes; ``handler`` makes those of aiohttp."""

    def __init__(self, service: Service, handler: Callable[[], asyncio.Protocol]) -> None:
        limits = service.current.config.limits
        notes_kept = max(LEAST_NOTES, limits.decision_ring)
        self._service = service
        self._flow = Flow(service)
        self.handler: Final = handler
        self.lane: Final = Lane(
            cache=service.cache,
            refused=service.refused,
            revocations=service.view.table,
            generations=service.generations,
            anchor=service.time.anchor,
            page=service.metrics.page,
            burst=service.recorder.burst,
            ring=Ring(notes_kept),
            suppressed=service.metrics.cell("bearerd_decision_lines_suppressed_total") or 0,
            max_token_bytes=limits.max_token_bytes,
            max_header_bytes=limits.max_header_bytes,
            max_head_bytes=limits.max_head_bytes,
            max_headers=limits.max_headers,
        )
        self._turns = Turns(self.lane, service.budget, limits.max_waiting, self._attempt, self._resolve)
        self._made_for: Current | None = None
        self._trust = peer.Trust(())
        self._routes: dict[tuple[str, str], Route] = {}
        self._places: dict[tuple[str, int | None], int] = {}
        self._left = Leftovers(self.lane, self._failed)
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Handle | None = None
        self._due = 0.0  # by the loop's clock
        self._lost = self._unaudited = 0
        self._plans: dict[int, tuple[Policy, Routes]] = {}  # by generation: notes speak of them
        self._versions: dict[int, str] = {}  # likewise, as audit records name them
        self._said: dict[
            tuple[int, int, int, bytes], bytes
        ] = {}  # generation, route, rule, operation -> what audit records say of them
        service.recorder.ring.elsewhere = self._found
        self.lane.ring.drainer = self._write
        self.renew()

    def start(self) -> None:
        """Begin to look after the connections."""
        self._check()

    def stop(self) -> None:
        """Every connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._count()
        self._write(last=True)

    def connection(self, dialect: str = "") -> Connection:
        """A protocol for a connection that was accepted.  ``dialect``: its listener's, for ``/auth``."""
        return Connection(self.lane, self, dialect)

    # ---- what a connection asks

    def welcome(self, transport: asyncio.Transport) -> tuple[str, bool]:
        """Who is there, and whether it may speak as a gateway."""
        who = peer.of(transport)
        return who.name, who in self._trust

    def renew(self) -> None:
        """Another configuration is in use."""
        current = self._service.current
        if current is self._made_for:
            return
        server = current.config.server
        self._trust = peer.Trust(current.config.trust.peers)
        audit = self._service.audit
        made = plan.routes(current.policy, self._service.metrics, reveal=server.reveal_reason, audit=audit)
        self._routes = {(route.face, route.resource): route for route in made.all}
        self._places = {
            (resource.name, rule.index): place
            for resource in current.policy.resources.values()
            for place, rule in enumerate(resource.enforced)
        }
        self._turns.several = len(current.issuers) > 1
        self.lane.log_allows = server.log_allows
        if len(self._plans) >= PLANS:
            self._write(last=True)  # notes of a configuration that is about to be forgotten
        self._frames = Frames(current.policy, made, audit)
        self._plans = {**dict(list(self._plans.items())[1 - PLANS :]), made.generation: (current.policy, made)}
        self._said.clear()
        version = "" if audit is None else audit.entries.policy
        self._versions = {**dict(list(self._versions.items())[1 - PLANS :]), made.generation: version}
        self.lane.routes, self._made_for = made, current

    def decide(self, connection: Connection, question: Question) -> tuple[bytes, bytes] | None:
        """At once, or None: it has to wait.  For a signature, too: it may be that the key of a known token has gone."""
        ask = self._read(connection, question)
        with self._service.budget.closed():
            found = self._decided(ask)
        return None if isinstance(found, Pending) else self._message(connection, ask, found, question)

    def wait(self, connection: Connection) -> None:
        """Until its turn comes."""
        self._turns.wait(connection)

    def later(self, connection: Connection) -> None:
        """It has more to be answered; others come first."""
        self._left.later(connection)

    def stand_back(self, connection: Connection, away: bool) -> None:
        """Others have most of the time.  ``away``: while there is no room for it to wait; else while known tokens come."""
        self._left.stand_back(connection, away=away)

    def watch(self) -> None:
        """Tell the lane of the loop's next turn."""
        self._left.watch()

    def gone(self, connection: Connection) -> None:
        """Nobody waits for this answer any more."""
        if isinstance(connection.waiter, asyncio.Task):
            connection.waiter.cancel()

    # ---- what waited

    def _attempt(self, connection: Connection) -> Pending | None:
        """Whatever goes wrong with one request: those behind it get their turn."""
        try:
            return self._tried(connection)
        except Exception as error:  # noqa: BLE001 - no answer is better than a wrong one
            self._failed(connection, error)
            return None

    def _tried(self, connection: Connection) -> Pending | None:
        connection.waiter = None
        if not connection.owes():
            return None
        trail, shown = None, connection.shown()
        if shown is not None and self._frames.may(*shown[:2]):
            looked = self._looked(connection, *shown)
            if not isinstance(looked, Trail):
                return looked
            trail = looked
        question = connection.question()
        ask = self._read(connection, question)
        found = self._decided(ask, trail)
        if isinstance(found, Pending):
            return found
        connection.reply(*self._message(connection, ask, found, question))
        return None

    def _looked(self, connection: Connection, number: int, place: int, token: bytes) -> Trail | Pending | None:
        """Verify a token that is not known, and give an allow that needs no more as if it had stood ready: then it is None.

        Else the trail for whoever reads the request: nothing is verified, or tried, a second time.
        """
        since = found = fault = None
        ready = False
        try:
            since, now, current = time.perf_counter(), self._service.time.now(), self._service.current
            found = current.verifier.verify_now(token, now)
            if isinstance(found, Verified):
                ready = self._frames.prepare(connection, number, place, found, now, current)
        except Exception as error:  # noqa: BLE001 - the decision ends with it
            fault = error
        if ready and connection.settle():
            return None
        if isinstance(found, Pending):
            return replace(found, cache="miss")
        return Trail(cache="miss", since=since, found=found, fault=fault)

    def _resolve(self, connection: Connection, pending: Pending) -> asyncio.Task[None]:
        """Once more, waiting for the key."""
        return asyncio.get_running_loop().create_task(self._waited(connection, pending.cache), name="lane: a key")

    async def _waited(self, connection: Connection, cache: str | None) -> None:
        try:
            if not connection.owes():
                return
            question = connection.question()
            ask = self._read(connection, question)
            if isinstance(ask.request, Refusal):  # the resource has gone meanwhile
                decided = self._refused(ask, ask.request)
            else:
                decided = await self._flow.run(
                    ask.name,
                    ask.request,
                    face=ask.face,
                    trail=Trail(cache=cache),
                    still=lambda: self._still(ask),
                    patience=asked.PATIENCE,
                )
            connection.waiter = None
            connection.reply(*self._message(connection, ask, decided, question))
        except Exception as error:  # noqa: BLE001 - no answer is better than a wrong one
            self._failed(connection, error)

    def _still(self, ask: Asked) -> bool:
        """Whether by the configuration of now the same is asked, and may be."""
        self.renew()
        return asked.still(ask, self._service.current.policy, self._trust)

    def _failed(self, connection: Connection, error: Exception) -> None:
        connection.waiter = None
        self._service.recorder.fault("the lane failed", error)
        connection.abort()

    # ---- one decision

    def _read(self, connection: Connection, question: Question) -> Asked:
        _, _, method, target, headers, host, who, trusted, _ = question
        seen = Seen(method, target, headers, host, trusted, who, connection.dialect)
        found = asked.read(seen, self._service.current.policy)
        if found is None:
            raise RuntimeError("the lane took a request that is no gateway's")
        return found

    def _decided(self, ask: Asked, trail: Trail | None = None) -> Decided | Pending:
        """``trail``: of a look at its token."""
        if isinstance(ask.request, Refusal):
            return self._refused(ask, ask.request)
        return self._flow.run_now(ask.name, ask.request, face=ask.face, trail=trail)

    def _refused(self, ask: Asked, refusal: Refusal) -> Decided:
        return self._flow.refuse(ask.name, refusal, ask.unknown, face=ask.face)

    def _message(self, connection: Connection, ask: Asked, decided: Decided, question: Question) -> tuple[bytes, bytes]:
        decision, to_head = decided.decision, question[-1]
        head, body = wire.message(reply(decided, ask, self._service.current), to_head=to_head)
        if decision.reuse is not None and decision.allowed and not to_head and not body:
            self._prepare(connection, ask, decision.reuse, head)
        return head, body

    def _prepare(self, connection: Connection, ask: Asked, reuse: Reuse, head: bytes) -> None:
        """The lane may give this answer again, as long as the decision says."""
        route = self._routes.get((ask.face, reuse.resource))
        place = -1 if reuse.rule is None else self._places.get((reuse.resource, reuse.rule))
        if route is not None and place is not None and reuse.config_generation == self.lane.routes.generation:
            connection.prepare(route, place, reuse.until_wall, reuse.until_boot, head)

    # ---- from time to time

    def _check(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)
        boot = clock.boot()
        self._turns.revive()
        self._left.revive()
        self._count()
        for connection in list(self.lane.connections):
            connection.check(boot)
        self._write()

    def _count(self) -> None:
        """What the lane answered by itself; of the rest the recorder counts each decision."""
        self._service.metrics.follow(self.lane.hits, HITS)
        self._service.metrics.follow(self.lane.misses, MISSES)

    def noted(self) -> None:
        """Something is to become a line: soon, with whatever else comes until then; at once where the ring fills meanwhile."""
        audit = self._service.audit
        if audit is None and self.lane.ring.waiting >= self.lane.ring.half:
            self._write_in(0.0)
        else:
            self._write_in(LINES_SECONDS if audit is None else RECORDS_SECONDS)

    def _write_in(self, seconds: float) -> None:
        """Unless it comes as soon anyway: put off again and again it would never come."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._writing is None or due < self._due:
            self._not_yet()
            self._writing, self._due = loop.call_later(seconds, self._write), due

    def _not_yet(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _write(self, *, last: bool = False) -> None:
        """Lines and audit records of what was noted; what was overwritten before is counted.

        ``last``: all of it, whether the audit has room for it or not.
        """
        self._not_yet()
        audit, ring = self._service.audit, self.lane.ring
        most = max(LINES_AT_ONCE, ring.waiting // LINES_SHARE)
        if audit is not None:
            most = min(AT_ONCE, audit.spare) if audit.keeps else AT_ONCE
        try:
            for noted in self.lane.drained(-1 if last else most):
                self._told(noted, audit)
        finally:
            self._count_lost(audit)
            if ring.waiting and not last:
                self._write_in(0.0 if audit is None else RECORDS_SECONDS)

    def _told(self, noted: Noted, audit: Auditor | None) -> None:
        logged, audited = noted[-2:]
        record = self._recorded(noted) if logged or noted[5] >= 0 else None
        if record is not None and logged:
            self._service.recorder.write(record)
        if audit is not None and audited:
            self._audited(audit, noted, record)

    def _count_lost(self, audit: Auditor | None) -> None:
        ring = self.lane.ring
        lost, self._lost = ring.lost - self._lost, ring.lost
        if lost:
            self._service.metrics.inc("bearerd_decision_lines_suppressed_total", by=float(lost))
        unaudited, self._unaudited = ring.unaudited - self._unaudited, ring.unaudited
        if audit is not None and unaudited:
            audit.drop(unaudited)

    def _audited(self, audit: Auditor, noted: Noted, record: Record | None) -> None:
        plan, version = self._plans.get(noted[2]), self._versions.get(noted[2], "")
        resource = "" if plan is None else plan[1].all[noted[3]].resource
        promised = audit.keeps and audit.of(resource).all  # ``_write`` has looked for its place
        if plan is None:
            audit.drop(1)
        elif record is not None:
            audit.add(record, version, promised=promised)
        elif not promised and not audit.has_place(resource):
            audit.drop(1)
        else:
            key = *noted[2:5], noted[13]
            place = self._said.get(key)
            if place is None:
                if len(self._said) >= LEAST_NOTES:  # of tools' names there may be many
                    self._said.clear()
                place = self._said[key] = notes.place(noted, *plan, audit.entries, version)
            audit.take(audit.entries.allowed(noted, place, self._service.cache.record_of))

    def _recorded(self, noted: Noted) -> Record | None:
        """In full; None where the configuration that it was made under is forgotten."""
        plan = self._plans.get(noted[2])
        return None if plan is None else notes.record(noted, *plan, self._service.cache)

    def _found(self, request_id: str) -> Record | None:
        """A refusal of the lane's, by its id."""
        try:
            noted = self.lane.ring.find(bytes.fromhex(request_id))
        except ValueError:
            return None
        return None if noted is None else self._recorded(noted)
