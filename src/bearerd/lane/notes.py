"""What the lane noted, as the records that every decision leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bearerd import request as view
from bearerd.audit.record import Record
from bearerd.audit.steps import steps
from bearerd.decision import Decision
from bearerd.lane.plan import READY
from bearerd.mcp.operation import Operation
from bearerd.policy import decide
from bearerd.policy.rules import Selected
from bearerd.refusals import Code, Outcome
from bearerd.verify.examine import too_large

if TYPE_CHECKING:
    from bearerd._native.ring import Noted
    from bearerd._native.route import Routes
    from bearerd._native.tokens import TokenCache
    from bearerd.audit.entry import Entries
    from bearerd.audit.record import Step
    from bearerd.policy.resource import Policy
    from bearerd.verify.verified import Verified


def record(noted: Noted, policy: Policy, routes: Routes, cache: TokenCache[Verified]) -> Record:
    """One note in full.  ``policy`` and ``routes`` are those that it was made under."""
    at, seconds, _, number, place, refused, method, peer, trace, request_id, name, digest, length, said, _, _ = noted
    route = routes.all[number]
    resource = policy.resources[route.resource]
    rule = resource.enforced[place] if place >= 0 else None
    index = None if rule is None else rule.index
    verified = cache.record_of(digest, length) if refused < 0 else None
    told: tuple[Step, ...] = ()
    if refused < 0:
        decision = Decision(True, Outcome.ALLOW, None, 200, resource.name, index)
    else:
        refusal = too_large(length) if READY[refused].code is Code.TOO_LARGE else READY[refused]
        decision = replace(decide.refused(resource, refusal, view.of(None, None)), rule=index)
        told = steps(resource, Selected(rule), refusal if length else None, decision)
    return Record(
        at=at,
        face=route.face,
        decision=decision,
        request_id=request_id.hex(),
        seconds=seconds,
        method=method.decode() or None,
        template=None if rule is None else rule.path,
        peer=peer.decode(),
        token_id=verified.token_id if verified is not None else name.hex() if any(name) else None,
        traceparent=trace.decode() or None,
        verified=verified,
        cache="hit" if refused < 0 else "miss" if length else None,
        steps=told,
        operation=_operation(said),
    )


def _operation(said: bytes) -> Operation | None:
    """What was asked of an MCP server: header mode, as the lane knows no other."""
    if not said:
        return None
    version, method, *name = said.decode().split("\0")[:-1]
    return Operation(method, name[0] if name else None, "header", version)


def place(noted: Noted, policy: Policy, routes: Routes, entries: Entries, version: str) -> bytes:
    """What audit records say of the rule, the resource, the face and the operation of an allow."""
    route = routes.all[noted[3]]
    rule = policy.resources[route.resource].enforced[noted[4]] if noted[4] >= 0 else None
    index, path = (None, None) if rule is None else (rule.index, rule.path)
    return entries.place(route.resource, route.face, index, path, version, _operation(noted[13]))
