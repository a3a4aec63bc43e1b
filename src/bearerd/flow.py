"""A token's way to a decision: select the rule, verify, decide; and the only place that awaits a Pending.

``decide_now`` contains no await, so a known token waits for nobody, and a new one with a known key neither.  ``decide``
calls it, awaits what it lacks, and calls it again, a bounded number of times.  Whatever goes wrong in between is a refusal.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd import request as view
from bearerd._native import clock
from bearerd._native.digest import keyed128
from bearerd.audit.auditor import NOT_KEPT
from bearerd.audit.record import Step
from bearerd.audit.recorder import Trail
from bearerd.audit.steps import said as told_of
from bearerd.audit.steps import steps
from bearerd.decision import Decision, Pending, Wait
from bearerd.errors import BearerdError
from bearerd.issuers.keyset import Miss
from bearerd.policy import decide, rules, settle
from bearerd.policy.rules import Selected
from bearerd.refusals import TABLE, Approval, Code, Outcome, Refusal
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.current import Current
    from bearerd.decision import Now
    from bearerd.policy.resource import Resource, Rule
    from bearerd.request import Request
    from bearerd.service import Service

ROUNDS: Final = 3  # a token may wait for a key set, and then for its kid; nobody waits for ever
RETRY_AFTER: Final = 1  # seconds

NOT_TAKEN: Final = Refusal(Code.MALFORMED_TOKEN, "the resource does not take this kind of credential")
"""Of an API key or a token, good or not: nobody is to learn which by showing it where it is not taken."""

_ASK_LATER: Final = Refusal(
    Code.ISSUER_UNAVAILABLE, "the kid is unknown, and the issuer was asked moments ago", retry_after=5
)
ANOTHER: Final = Refusal(
    Code.OVERLOADED,
    "while a key, a settlement or a body was waited for, a reload gave host, dialect or upstream to another, or trusts the peer no more",
    retry_after=RETRY_AFTER,
)


class Decided(NamedTuple):
    """A decision, and the id under which its refusal can be looked up (empty on an allow)."""

    decision: Decision
    request_id: str


class Unsettled(NamedTuple):
    """It would be allowed, but its rule asks for a settlement (``policy.settle``)."""

    decision: Decision
    resource: Resource
    rule: Rule
    verified: Verified


class _Bounds(NamedTuple):
    """Of one request's waits."""

    still: Callable[[], bool] | None
    until: float | None  # boot time

    def hold(self) -> bool:
        """Whether the same is asked yet."""
        return self.still is None or self.still()

    def patience(self, pending: Pending) -> float | None:
        """Seconds that are left of it for a key; anything else is bounded by who brings it."""
        return None if self.until is None or pending.kind is not Wait.KEY else max(0.0, self.until - clock.boot())


class Flow:
    """Decides for one process.  Every face, and the Python API, calls the same."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def decide_now(
        self,
        name: str,
        request: Request,
        at: Now | None = None,
        trail: Trail | None = None,
        *,
        by_rules: bool = True,
    ) -> Decision | Pending:
        """Decide from memory, without waiting.  Pending where a key is lacking: ``decide`` waits for it.

        ``name``: the resource.  ``trail`` is told what was seen on the way.  Raises only what ``decide`` turns into a
        refusal.
        """
        found = self._judged(name, request, at or self._service.time.now(), trail, by_rules=by_rules)
        if isinstance(found, Unsettled):
            return Pending(Wait.SETTLEMENT)
        return found

    def in_vain(self, name: str, request: Request) -> bool:
        """Whether its credential is refused, whatever else a request says: its body need not be waited for."""
        current = self._service.current
        resource, token = current.policy.resources.get(name), view.bearer_token(request.headers)
        if resource is None or not isinstance(token, bytes):
            return False
        if not resource.takes(token):
            return True
        now = self._service.time.now()
        try:
            found = self._verified(token, now, current, trail=None)
            if isinstance(found, Verified):  # it may be for something else, or lack its proof
                return found.confirmed or decide.judge_for_introspection(resource, found, now, current) is not None
        except Exception:  # noqa: BLE001 - the decision meets it, too, and says so
            return False
        return isinstance(found, Refusal)

    async def decide(self, name: str, request: Request, *, face: str = "python") -> Decision:
        """Decide, and count and log it under this face.  Never raises but for cancellation."""
        return (await self.run(name, request, face=face)).decision

    async def run(
        self,
        name: str,
        request: Request,
        *,
        face: str,
        trail: Trail | None = None,
        still: Callable[[], bool] | None = None,
        by_rules: bool = True,
        patience: float | None = None,
    ) -> Decided:
        """The same, with the id of a refusal.  ``trail``: an empty one, of a face that tells more than the decision does.

        ``patience``: for how many seconds an issuer's key is waited for; without, until the fetch ends by itself.
        ``still``: asked after each wait, whether by the configuration of then the same is asked of the same resource.
        ``by_rules``: false where it is not known yet what the token is for, and each use of it will be decided.
        """
        started, trail = time.perf_counter(), trail or Trail()
        bounds = _Bounds(still, None if patience is None else clock.boot() + patience)
        audit = self._service.recorder.audit
        if audit is None or not audit.holds(name):
            decision = await self._tried(name, request, trail, bounds, by_rules=by_rules)
            return self._recorded(name, face, decision, request, started, trail)
        async with audit.place() as refusal:
            if refusal:
                return self._recorded(name, face, _unrecorded(name, refusal, trail), request, started, trail)
            trail.placed = True
            decision = await self._tried(name, request, trail, bounds, by_rules=by_rules)
            if not audit.waits:
                return self._recorded(name, face, decision, request, started, trail)
            decision = self._entered(name, face, decision, request, started, trail)
        if not await audit.kept():
            audit.withdrawn(trail.request_id)
            decision = _unrecorded(name, NOT_KEPT, trail)
        return self._recorded(name, face, decision, request, started, trail, audited=True)

    def run_now(self, name: str, request: Request, *, face: str, trail: Trail | None = None) -> Decided | Pending:
        """The same without waiting: Pending, uncounted, for a key or for room in the audit.

        ``trail``: an empty one, or of whoever looked at the credential before.
        """
        audit = self._service.recorder.audit
        if audit is not None and not audit.ready and audit.holds(name):
            return Pending(Wait.AUDIT)
        trail = trail or Trail()
        started = time.perf_counter() if trail.since is None else trail.since
        try:
            found = self.decide_now(name, request, None, trail)
        except Exception as error:  # noqa: BLE001 - likewise
            found = self._failed(name, request, error, trail)
        if isinstance(found, Pending):
            return replace(found, cache=trail.cache)
        return self._recorded(name, face, found, request, started, trail)

    def refuse(self, name: str, refusal: Refusal, request: Request, *, face: str) -> Decided:
        """The decision for what a face refused by itself, such as a dialect header given twice."""
        started = time.perf_counter()
        resource = self._service.current.policy.resources.get(name)
        if not name:
            decision = decide.of_nobody(refusal)
        elif resource is None or refusal.code is Code.UNKNOWN_RESOURCE:
            decision = decide.unknown_resource(name)
        else:
            decision = decide.refused(resource, refusal, request)
        return self._recorded(name, face, decision, request, started, Trail())

    async def verify(self, token: bytes, *, to_revoke: bool = False, trail: Trail | None = None) -> Verified | Refusal:
        """Verify a token that no request goes with (introspection, revocation).

        ``to_revoke``: a token that is revoked already is what it says; one is called expired only if it has by any clock,
        for nobody will ask again; and one of an unknown ``kid``, where the issuer was
        asked moments ago and is not asked again yet, is not called unknown: it may turn out to be good.
        """
        waited = False
        try:
            for _ in range(ROUNDS):
                found = self._verified(
                    token, self._service.time.now(), self._service.current, to_revoke=to_revoke, trail=trail
                )
                if not isinstance(found, Pending):
                    return _ASK_LATER if to_revoke and not waited and _unknown_kid(found) else found
                refusal = await self._service.flights.wait(found)
                if refusal is not None:
                    return refusal
                waited = True
        except Exception as error:  # noqa: BLE001 - likewise
            self._service.recorder.fault("a verification failed", error)
            return Refusal(Code.INTERNAL_ERROR)
        return _unresolved()

    async def _tried(self, name: str, request: Request, trail: Trail, bounds: _Bounds, *, by_rules: bool) -> Decision:
        try:
            return await self._rounds(name, request, trail, bounds, by_rules=by_rules)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end as an allow
            return self._failed(name, request, error, trail)

    async def _rounds(self, name: str, request: Request, trail: Trail, bounds: _Bounds, *, by_rules: bool) -> Decision:
        refusal = None
        for _ in range(ROUNDS):
            now = self._service.time.now()
            found = self._judged(name, request, now, trail, by_rules=by_rules)
            if isinstance(found, Unsettled):
                settled = await self._settled(found, request, now, trail)
                return settled if bounds.hold() else decide.of_nobody(ANOTHER)
            if not isinstance(found, Pending):
                return found
            refusal = await self._service.flights.wait(found, bounds.patience(found))
            if not bounds.hold():
                return decide.of_nobody(ANOTHER)  # nobody's, so that no shadow makes an allow of it
            if refusal is not None:
                break
        return self._refused(name, refusal or _unresolved(), request, trail)

    def _judged(
        self, name: str, request: Request, now: Now, trail: Trail | None, *, by_rules: bool = True
    ) -> Decision | Pending | Unsettled:
        """All that can be said from memory."""
        current = self._service.current
        resource = current.policy.resources.get(name)
        if resource is None:
            return decide.unknown_resource(name)
        selected = rules.select_rule(resource, request) if by_rules else Selected(None)
        if trail is not None:
            trail.watched = None if isinstance(selected, Refusal) else resource.watched(selected.rule)
        subject = self._subject(resource, selected, request, now, current, trail)
        if isinstance(subject, Pending):
            return subject
        decision = decide.decide_now(resource, selected, subject, request, now, current)
        if isinstance(decision, Pending):
            return decision
        if trail is not None:
            _tell(trail, resource, selected, subject, decision)
        if decision.allowed and isinstance(subject, Verified) and isinstance(selected, Selected):
            rule = selected.rule
            if rule is not None and rule.settles:
                return Unsettled(decision, resource, rule, subject)
        return decision

    async def _settled(self, found: Unsettled, request: Request, now: Now, trail: Trail) -> Decision:
        """The allow, once everybody who has a say has had it; a fault among them is the caller's to turn into a refusal."""
        settlers, decision = self._service.settlers, found.decision
        said: Refusal | Approval | None = settle.unconfirmed(found.rule, settlers)
        for settler in settlers:
            if not isinstance(said, Refusal):
                said = await settler.settle(found.resource, found.rule, request, found.verified, now)
            if isinstance(said, Approval):
                decision = replace(decision, approval=said)
        if not isinstance(said, Refusal):
            return decision
        trail.steps = (Step("settlement", ok=False, detail=told_of(said)),)
        return decide.refused(found.resource, said, request, found.rule)

    def _subject(
        self,
        resource: Resource,
        selected: Selected | Refusal,
        request: Request,
        at: Now,
        current: Current,
        trail: Trail | None,
    ) -> Verified | Refusal | Pending | None:
        """What verification makes of the credential; None where there is none, or none is to be looked at."""
        if isinstance(selected, Refusal) or not selected.needs_credential:
            return None
        token = view.bearer_token(request.headers)
        if not isinstance(token, bytes):
            return token
        if not resource.takes(token):
            return NOT_TAKEN
        return self._verified(token, at, current, trail=trail)

    def _verified(
        self, token: bytes, at: Now, current: Current, *, to_revoke: bool = False, trail: Trail | None
    ) -> Verified | Refusal | Pending:
        if to_revoke:
            found = current.verifier.examine(token, at, revoked_too=True)
            if isinstance(found, Refusal) and found.code is Code.EXPIRED and at.earliest < at.latest:
                found = current.verifier.examine(token, at.at_the_earliest(), revoked_too=True)
            return found
        if trail is None:
            return current.verifier.verify_now(token, at)
        if trail.fault is not None:
            raise trail.fault
        hits = self._service.cache.hits
        found = trail.found or current.verifier.verify_now(token, at)
        trail.token = token
        trail.cache = trail.cache or ("hit" if self._service.cache.hits > hits else "miss")
        trail.verified = found if isinstance(found, Verified) else None
        if isinstance(found, Refusal) and found.code is Code.REVOKED:
            trail.known = self._service.cache.record_of(keyed128(token), len(token))
        return found

    def _failed(self, name: str, request: Request, error: Exception, trail: Trail) -> Decision:
        """Fail closed: a fault of ours is 503, and its words stay here."""
        self._service.recorder.fault("a decision failed", error)
        refusal = error.refusal if isinstance(error, BearerdError) else Refusal(Code.INTERNAL_ERROR)
        return self._refused(name, refusal, request, trail)

    def _refused(self, name: str, refusal: Refusal, request: Request, trail: Trail) -> Decision:
        trail.steps = (Step("decision", ok=False, detail=f"{refusal.code}: {refusal.detail}"),)
        try:
            return decide.refused(self._service.current.policy.resources[name], refusal, request)
        except Exception:  # noqa: BLE001 - the policy itself is at fault, or the resource is gone since
            row = TABLE[Code.INTERNAL_ERROR]
            return Decision(False, Outcome.UNAVAILABLE, row.code, row.status, name, retry_after=RETRY_AFTER)

    def _entered(
        self, name: str, face: str, decision: Decision, request: Request, started: float, trail: Trail
    ) -> Decision:
        """Its audit record, before it counts for anything; what cannot be recorded is not allowed."""
        seconds = time.perf_counter() - started
        try:
            self._service.recorder.enter(face, decision, request, seconds, trail)
        except Exception as error:  # noqa: BLE001 - likewise
            refused = self._failed(name, request, error, trail)
            return refused if decision.allowed else decision
        return decision

    def _recorded(
        self,
        name: str,
        face: str,
        decision: Decision,
        request: Request,
        started: float,
        trail: Trail,
        *,
        audited: bool = False,
    ) -> Decided:
        """Count and log it.  What cannot be counted is not allowed; that no line of it could be written changes nothing."""
        seconds, recorder = time.perf_counter() - started, self._service.recorder
        try:
            return Decided(decision, recorder.record(face, decision, request, seconds, trail, audited=audited))
        except Exception as error:  # noqa: BLE001 - likewise
            refused = self._failed(name, request, error, trail)
            return Decided(refused if decision.allowed else decision, secrets.token_hex(16))


def _unknown_kid(found: Verified | Refusal) -> bool:
    return isinstance(found, Refusal) and found.code is Code.UNKNOWN_KEY and found.detail == Miss.UNKNOWN_KID


def _unrecorded(name: str, refusal: Refusal, trail: Trail) -> Decision:
    """Nobody's, so that no shadow makes an allow of it; but counted under the resource that was asked for."""
    trail.steps = (Step("decision", ok=False, detail=told_of(refusal)),)  # whatever had been decided
    return replace(decide.of_nobody(refusal), resource=name)


def _unresolved() -> Refusal:
    return Refusal(Code.OVERLOADED, "the key that was waited for has changed again and again", retry_after=RETRY_AFTER)


def _tell(
    trail: Trail,
    resource: Resource,
    selected: Selected | Refusal,
    subject: Verified | Refusal | None,
    decision: Decision,
) -> None:
    """The rule's pattern for every line; the steps only where somebody may ask for them."""
    rule = None if isinstance(selected, Refusal) else selected.rule
    trail.template = None if rule is None else rule.path
    if not decision.allowed or decision.would_refuse:
        trail.steps = steps(resource, selected, subject, decision)
