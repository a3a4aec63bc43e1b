"""One decision: one count, one duration, and one line where lines are wanted."""

from __future__ import annotations

import hmac
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd._native import clock
from bearerd._native.ring import Burst
from bearerd.audit.record import Record, Step, traceparent
from bearerd.audit.ring import Ring
from bearerd.metrics import HITS, MISSES, NO_CODE, NO_RESOURCE
from bearerd.refusals import Code, Outcome
from bearerd.verify.verified import token_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.audit.auditor import Auditor
    from bearerd.decision import Decision
    from bearerd.mcp.redact import Watched
    from bearerd.metrics import Metrics
    from bearerd.refusals import Refusal
    from bearerd.request import Request
    from bearerd.verify.verified import Verified

FAULTS_PER_SECOND: Final = 5

_LOGGER: Final = logging.getLogger("bearerd.decision")
_FAULTS: Final = logging.getLogger("bearerd.fault")
_REVOCATIONS: Final = logging.getLogger("bearerd.revocation")


@dataclass(slots=True)
class Trail:
    """What the flow saw on its way to a decision: filled by it, read by the recorder."""

    token: bytes | None = None  # never leaves memory: only its digest does
    # Of who looked at the token before the request was read.
    since: float | None = None  # ``perf_counter`` of then
    found: Verified | Refusal | None = None  # what verification made of it
    fault: Exception | None = None  # met since then: no second try makes an allow of it
    verified: Verified | None = None
    known: Verified | None = None  # what a revoked token says, for whoever reads the log: it is nobody's identity
    cache: str | None = None  # of the first look-up: what was found later may have been put there for this very request
    template: str | None = None
    steps: tuple[Step, ...] = ()
    watched: Watched | None = None  # what is sensitive in the arguments
    request_id: str = ""  # set by the recorder where it made a record, on an allow, too
    placed: bool = False  # within ``Auditor.place``


class Recorder:
    """Of one process.  ``log_allows`` is the share of allows that get a line; refusals get one within the burst."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        ring_size: int,
        refusals_per_second: int,
        log_allows: float = 0.0,
        subject_key: bytes | None = None,
    ) -> None:
        """``subject_key``: log a keyed digest instead of ``sub``."""
        self.metrics = metrics
        self._subject_key = subject_key
        self.ring = Ring(ring_size, self.subject)
        self.burst: Final = Burst(refusals_per_second)
        self._faults = Burst(FAULTS_PER_SECOND)
        self._share = log_allows
        self._owed = 0.0
        self.audit: Auditor | None = None

    def configure(self, *, log_allows: float, subject_key: bytes | None) -> None:
        """What a reload may change."""
        self._share = log_allows
        self._subject_key = subject_key

    def subject(self, sub: str) -> str:
        """How a subject is written in logs."""
        if self._subject_key is None:
            return sub[:256]
        return "h:" + hmac.digest(self._subject_key, sub.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def record(
        self,
        face: str,
        decision: Decision,
        request: Request | None,
        seconds: float,
        trail: Trail | None = None,
        caller: str | None = None,
        *,
        audited: bool = False,
    ) -> str:
        """Count and, where wanted, log and audit one decision; returns its request id (128 random bits), empty on an allow.

        ``audited``: it has been, by ``enter``, and was waited for.
        """
        metrics, code = self.metrics, decision.code
        resource = decision.resource if code is not Code.UNKNOWN_RESOURCE else NO_RESOURCE
        metrics.inc(
            "bearerd_decisions_total",
            resource or NO_RESOURCE,
            face,
            decision.outcome,
            NO_CODE if code is None else code,
        )
        metrics.observe(seconds, "bearerd_decision_duration_seconds", face)
        if trail is not None and trail.cache is not None:
            metrics.inc(HITS if trail.cache == "hit" else MISSES)
        for found in decision.would_refuse:
            metrics.inc("bearerd_would_refuse_total", decision.resource, found.code)
        audit = None if audited else self._wanting(decision)
        if decision.allowed and not decision.would_refuse:
            sampled = self._sampled()
            if sampled or audit is not None:
                record = self._record(face, decision, request, seconds, trail, caller, audit)
                if sampled:
                    self.write(record)
            return ""
        record = self._record(face, decision, request, seconds, trail, caller, audit)
        self.ring.add(record)
        if self.burst.take():
            self.write(record)
        else:
            metrics.inc("bearerd_decision_lines_suppressed_total")
        return "" if decision.allowed else record.request_id

    def enter(self, face: str, decision: Decision, request: Request, seconds: float, trail: Trail) -> None:
        """Its audit record alone, of a decision that is none before that is durable: what becomes of it is for ``record``."""
        audit = self._wanting(decision)
        if audit is not None:
            self._record(face, decision, request, seconds, trail, None, audit)

    def _wanting(self, decision: Decision) -> Auditor | None:
        """The audit, where it wants a record of this decision."""
        return self.audit if self.audit is not None and self.audit.wants(decision) else None

    def fault(self, what: str, error: Exception) -> None:
        """A fault of ours, with its places and without its words; whoever found a way to cause it cannot fill the log."""
        if self._faults.take():
            log.event(_FAULTS, logging.ERROR, what, {}, error)

    def revocation(self, result: str, caller: str, fields: Mapping[str, Any]) -> None:
        """One revocation that a caller asked for: who, what for, and how it ended.  Always logged: it is an act."""
        self.metrics.inc("bearerd_revocation_requests_total", result)
        log.event(_REVOCATIONS, logging.INFO, "revocation", {"result": result, "caller": caller, **fields})

    def _sampled(self) -> bool:
        """Spread evenly, so that a share of 0.01 is each hundredth allow."""
        self._owed += self._share
        if self._owed < 1.0:
            return False
        self._owed -= 1.0
        return True

    def _record(
        self,
        face: str,
        decision: Decision,
        request: Request | None,
        seconds: float,
        trail: Trail | None,
        caller: str | None,
        audit: Auditor | None,
    ) -> Record:
        """Made, and added to the audit where there is one for it."""
        trail = trail or Trail()
        trail.request_id = trail.request_id or secrets.token_hex(16)
        record = Record(
            at=clock.wall(),
            face=face,
            decision=decision,
            request_id=trail.request_id,
            seconds=seconds,
            method=request.method if request else None,
            template=trail.template,
            peer=request.peer if request else "",
            token_id=None if trail.token is None else token_name(trail.token).hex(),
            traceparent=traceparent(request) if request else None,
            verified=trail.verified or trail.known,
            cache=trail.cache,
            caller=caller,
            steps=trail.steps,
            operation=request.operation if request else None,
            misread=request.misread if request else None,
            watched=trail.watched,
        )
        if audit is not None:
            audit.add(record, placed=trail.placed)
        return record

    def write(self, record: Record) -> None:
        """One line."""
        code = record.decision.code
        level = logging.ERROR if code is Code.INTERNAL_ERROR else logging.INFO
        if record.decision.outcome is Outcome.UNAVAILABLE and code is not Code.INTERNAL_ERROR:
            level = logging.WARNING
        if _LOGGER.isEnabledFor(level):
            log.event(_LOGGER, level, "decision", record.line(self.subject))
