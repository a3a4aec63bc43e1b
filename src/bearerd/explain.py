"""The same flow, told step by step: why a token may do what it asks, or what stands in its way.

It runs the real thing (the same rules, verifier and policy, without memory) and then tells what the outcome implies of each
stage: those before the one that refused were passed.  For operators only: what it says is an oracle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bearerd import request as view
from bearerd._native import hosts
from bearerd.audit.steps import rule_step
from bearerd.config.model import SIGNED
from bearerd.decision import Decision, Now, Pending
from bearerd.flow import NOT_TAKEN, ROUNDS
from bearerd.log import REDACTED, redact
from bearerd.mcp import versions
from bearerd.mcp.operation import Operation
from bearerd.policy import decide, rules
from bearerd.refusals import Code, Refusal
from bearerd.store.entries import API_KEYS
from bearerd.verify import hints
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.current import Current
    from bearerd.policy.resource import Resource
    from bearerd.policy.rules import Selected
    from bearerd.request import Request
    from bearerd.service import Service

# In the order in which the verifier looks, each with the codes that end there.
_TOKEN: Final = (
    ("credential", {Code.MISSING_TOKEN, Code.UNSUPPORTED_SCHEME, Code.AMBIGUOUS_CREDENTIALS}),
    ("format", {Code.TOO_LARGE, Code.MALFORMED_TOKEN}),
    ("algorithm", {Code.UNSUPPORTED_ALG}),
    ("issuer", {Code.UNKNOWN_ISSUER}),
    ("claims", {Code.WRONG_TYPE, Code.MISSING_CLAIM, Code.EXPIRED, Code.NOT_YET_VALID, Code.TOO_LONG_LIVED}),
    ("key", {Code.UNKNOWN_KEY, Code.ISSUER_UNAVAILABLE, Code.OVERLOADED}),
    ("signature", {Code.BAD_SIGNATURE}),
    ("revocation", {Code.REVOKED}),
)
# What the policy asks of a verified token, in its order.
_USE: Final = (
    ("accepted issuer", {Code.UNKNOWN_ISSUER}),
    ("audience", {Code.WRONG_AUDIENCE}),
    ("lifetime", {Code.TOO_LONG_LIVED}),
    ("proof of possession", {Code.PROOF_REQUIRED}),
    ("view of the revocations", {Code.STALE_STATE}),
    ("scopes", {Code.INSUFFICIENT_SCOPE}),
    ("requirements", {Code.FORBIDDEN}),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One step.  ``ok`` is None where it was not come to, or not looked at."""

    name: str
    ok: bool | None
    detail: str = ""
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """All steps, and what they come to."""

    decision: Decision
    steps: tuple[Told, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; no token, and claims only of a verified one."""
        decision = self.decision
        return {
            "allowed": decision.allowed,
            "outcome": str(decision.outcome),
            "code": None if decision.code is None else str(decision.code),
            "status": decision.status,
            "resource": decision.resource,
            "rule": decision.rule,
            "claims": None if decision.claims is None else dict(decision.claims),
            "headers": {name: _shown(name, value) for name, value in decision.headers_add},
            "would_refuse": [{"code": str(found.code), "rule": found.rule} for found in decision.would_refuse],
            "steps": [
                {
                    "step": step.name,
                    "ok": step.ok,
                    "detail": redact(step.detail),
                    "hints": list(map(redact, step.hints)),
                }
                for step in self.steps
            ],
        }


async def explain(
    service: Service,
    token: bytes | None,
    resource: str | None,
    method: str | None,
    path: str | None,
    host: str | None = None,
    mcp: str | None = None,
    name: str | None = None,
) -> Explanation:
    """Tell what would become of this request; nothing is counted, cached or remembered.

    ``token``: None for a request without an Authorization field.  ``resource``: None where the host chooses it, as at
    ``/auth``.  ``path``: the raw target, with its query if it has one.
    ``mcp``: the method that is asked of an MCP server, and ``name`` the item that it names.  A key set that is lacking is waited for, as a
    request would.
    """
    headers = () if token is None else ((b"Authorization", b"Bearer " + token),)
    target = None if path is None else path.encode("utf-8", "surrogateescape")
    request = view.of(method, target, host, headers, trusted=True, peer="explain")
    if mcp is not None:
        request = request._replace(operation=Operation(mcp, name, "header", versions.speaking(mcp)))
    before: tuple[Told, ...] = ()
    if resource is None:
        chosen, step = _of_host(service.current, host, target)
        if isinstance(chosen, Refusal):
            return _whole(decide.of_nobody(chosen), [step])
        resource, before = chosen, (step,)
    found = await _judged(service, resource, request)
    return Explanation(found.decision, (*before, *found.steps))


async def _judged(service: Service, resource: str, request: Request) -> Explanation:
    for _ in range(ROUNDS):
        found = _told(service, resource, request)
        if not isinstance(found, Pending):
            return found
        refusal = await service.flights.wait(found)
        if refusal is not None:
            break
    else:
        refusal = Refusal(Code.OVERLOADED, "the key that was waited for has changed again and again")
    asked = service.current.policy.resources[resource]
    steps = [_resource_step(asked), *_token_steps(service, refusal, request, service.time.now())]
    return _whole(decide.refused(asked, refusal, request), steps)


def _told(service: Service, name: str, request: Request) -> Explanation | Pending:
    current, at = service.current, service.time.now()
    resource = current.policy.resources.get(name)
    if resource is None:
        return _whole(decide.unknown_resource(name), [_unknown_step(name, current)])
    steps = [_resource_step(resource)]
    selected = rules.select_rule(resource, request)
    if isinstance(selected, Refusal):
        steps.append(_refused_step("rule", selected))
        return _decided(steps, decide.decide_now(resource, selected, None, request, at, current))
    steps.append(_rule_told(resource, selected))
    subject: Verified | Refusal | None = None
    if selected.needs_credential:
        credential = view.bearer_token(request.headers)
        found: Verified | Refusal | Pending | None = NOT_TAKEN
        if not isinstance(credential, bytes):
            found = credential
        elif resource.takes(credential):
            found = current.verifier.examine(credential, at)
        if isinstance(found, Pending):
            return found
        subject = found
        steps += _token_steps(service, subject, request, at)
    decision = decide.decide_now(resource, selected, subject, request, at, current)
    if isinstance(subject, Verified) and isinstance(decision, Decision):
        steps += _use_steps(resource, selected, subject, decision, current, at)
        steps += _confirm_steps(selected, decision)
    return _decided(steps, decision)


def _decided(steps: list[Told], decision: Decision | Pending) -> Explanation | Pending:
    return decision if isinstance(decision, Pending) else _whole(decision, steps)


def _whole(decision: Decision, steps: Iterable[Told]) -> Explanation:
    verdict = "allowed" if decision.code is None else f"{decision.code}, HTTP {decision.status}"
    if decision.would_refuse:
        verdict += "; enforced, it would be " + ", ".join(found.code for found in decision.would_refuse)
    return Explanation(decision, (*steps, Told("decision", decision.allowed, verdict, decision.hints)))


def _shown(name: str, value: str) -> str:
    """A header's value; a signed identity is a credential, to its upstream."""
    return REDACTED if name == SIGNED and value else value


# ---- steps ----


def _confirm_steps(selected: Selected, decision: Decision) -> list[Told]:
    """What is not tried here: it would ask a human."""
    if selected.rule is None or not selected.rule.confirm or not decision.allowed:
        return []
    who = "another person than the asker" if selected.rule.confirm == "other" else "a human"
    return [Told("confirmation", None, f"not tried: {who} must approve each call first")]


def _of_host(current: Current, host: str | None, target: bytes | None) -> tuple[str | Refusal, Told]:
    """The resource that ``/auth`` would choose in the dialect of its gateway, or why none."""
    policy = current.policy
    place = policy.hosts.find(None if host is None else host.encode("utf-8", "surrogateescape"), target)
    if place >= 0:
        name = policy.named[place].name
        return name, Told("host", True, f"{hints.quoted(host or '')} is resource {name}'s")
    known = sorted({host for table in current.config.resource.values() for host in table.hosts})
    refusal = {
        hosts.MALFORMED: Refusal(Code.BAD_REQUEST, "that is not a host"),
        hosts.AMBIGUOUS: Refusal(Code.AMBIGUOUS_PATH, "resources share the host, and the path can be read in two ways"),
    }.get(place) or Refusal(Code.UNKNOWN_RESOURCE, "no resource has that host and path")
    refusal = replace(refusal, hints=(f"configured: {', '.join(known) or 'no hosts'}",))
    return refusal, _refused_step("host", refusal)


def _unknown_step(name: str, current: Current) -> Told:
    known = ", ".join(current.policy.resources) or "none"
    return Told("resource", False, f"no resource {hints.quoted(name)}", (f"configured: {known}",))


def _resource_step(resource: Resource) -> Told:
    audience = ", ".join(sorted(resource.audience))
    state = " (in shadow: nothing is refused to a gateway)" if resource.shadow else ""
    return Told("resource", True, f"{resource.name}{state}; audience {audience}")


def _rule_told(resource: Resource, selected: Selected) -> Told:
    step = rule_step(resource, selected)
    return Told("rule", step.ok, step.detail, selected.refusal.hints if selected.refusal else ())


def _refused_step(name: str, refusal: Refusal) -> Told:
    return Told(name, False, f"{refusal.code}: {refusal.detail}" if refusal.detail else refusal.code, refusal.hints)


def _token_steps(service: Service, subject: Verified | Refusal | None, request: Request, at: Now) -> list[Told]:
    if subject is None:
        return [Told("credential", None, "the request has no Authorization field")]
    if isinstance(subject, Refusal):
        return _until(_TOKEN, subject)
    if subject.issuer == API_KEYS:
        return _key_steps(subject, at)
    issuer = service.current.issuers.find(subject.issuer)
    details = {
        "credential": "Bearer",
        "format": f"a JWS of {len(request.headers[0][1]) - len(b'Bearer ')} bytes",
        "algorithm": subject.alg,
        "issuer": f"{issuer.name if issuer else '?'}: {subject.issuer}",
        "claims": f"issued {at.wall - subject.issued_at:.0f} s ago, expires in {subject.expires_at - at.wall:.0f} s",
        "key": f"kid {hints.quoted(subject.kid)}, thumbprint {subject.thumbprint}",
        "signature": "good",
        "revocation": "not looked at: there is no store here" if service.offline else "not revoked",
    }
    unknown = {"revocation"} if service.offline else set()
    return [Told(name, None if name in unknown else True, details[name]) for name, _ in _TOKEN]


def _key_steps(subject: Verified, at: Now) -> list[Told]:
    details = {
        "credential": "Bearer",
        "format": "an API key; its checksum is right",
        "key": f"id {subject.client}, secret {subject.kid}",
        "claims": f"made {at.wall - subject.issued_at:.0f} s ago, expires in {subject.expires_at - at.wall:.0f} s",
        "revocation": "not revoked",
    }
    return [Told(name, True, detail) for name, detail in details.items()]


def _use_steps(
    resource: Resource, selected: Selected, verified: Verified, decision: Decision, current: Current, at: Now
) -> list[Told]:
    code = decision.code or (decision.would_refuse[0].code if resource.shadow and decision.would_refuse else None)
    if code is None:
        return [Told(name, True, _fits(name, selected, verified, current, at)) for name, _ in _USE]
    more: tuple[str, ...] = decision.hints
    if code is Code.INSUFFICIENT_SCOPE and (issuer := current.issuers.find(verified.issuer)) is not None:
        more += hints.scopes_elsewhere(verified.claims, issuer.config.scope_claims)
    if selected.refusal is not None and code is selected.refusal.code:
        return _until(_USE[:5], None)  # all of the token fits; the rule step said what does not
    return _until(_USE, Refusal(code, decision.detail, more))


def _until(stages: Iterable[tuple[str, set[Code]]], refusal: Refusal | None) -> list[Told]:
    """The stages up to the one that refused, which were passed; that one; and those that were not come to."""
    told: list[Told] = []
    reached = True
    for name, codes in stages:
        if refusal is not None and reached and refusal.code in codes:
            told.append(_refused_step(name, refusal))
            reached = False
        else:
            told.append(Told(name, True if reached else None))
    return told


def _fits(name: str, selected: Selected, verified: Verified, current: Current, at: Now) -> str:
    if name == "audience":
        return ", ".join(map(hints.quoted, verified.audience))
    if name == "scopes":
        return " ".join(verified.scopes)
    if name == "view of the revocations":
        age = current.known_age(at)  # of a strict resource that is served, it is the same
        return f"{age:.1f} s old" if math.isfinite(age) else "never read"
    if name == "requirements" and selected.rule is not None and selected.rule.roles:
        return f"one of the roles {', '.join(sorted(selected.rule.roles))}"
    return ""
