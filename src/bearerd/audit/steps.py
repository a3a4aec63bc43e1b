"""A decision told step by step, for whoever asks why: ``/v1/decisions/ID`` and ``explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd.audit.record import Step
from bearerd.config.model import WITHOUT_METHODS
from bearerd.mcp import globs
from bearerd.refusals import Refusal

if TYPE_CHECKING:
    from bearerd.decision import Decision
    from bearerd.policy.resource import Resource, Rule
    from bearerd.policy.rules import Selected
    from bearerd.verify.verified import Verified


def steps(
    resource: Resource, selected: Selected | Refusal, subject: Verified | Refusal | None, decision: Decision
) -> tuple[Step, ...]:
    """The decision step by step, for ``/v1/decisions/ID`` and ``explain``.  No token, no claims but the issuer."""
    told = [Step("resource", ok=True, detail=resource.name)]
    if isinstance(selected, Refusal):
        told.append(Step("rule", ok=False, detail=said(selected)))
    else:
        told.append(rule_step(resource, selected))
        told.append(_credential_step(selected, subject))
    verdict = (
        "allowed"
        if decision.code is None
        else f"{decision.code}: {decision.detail}"
        if decision.detail
        else decision.code
    )
    told.append(Step("decision", ok=decision.allowed, detail=verdict))
    return tuple(told)


def rule_step(resource: Resource, selected: Selected) -> Step:
    """Which rule was chosen, or why none."""
    if selected.rule is not None:
        return Step("rule", ok=True, detail=f"rule {selected.rule.index}: {_selects(selected.rule)}")
    if selected.refusal is not None:
        return Step("rule", ok=False, detail=said(selected.refusal))
    if not resource.enforced:
        return Step("rule", ok=True, detail="no rules: every request with a good token")
    return Step("rule", ok=True, detail="none needed" if resource.kind == "mcp" else "none")


def _selects(rule: Rule) -> str:
    """Its selectors, and what it asks for beside scopes, roles and claims."""
    for kind in globs.KINDS:
        if (patterns := getattr(rule, kind)) is not None:
            shown = ", ".join(patterns[:8]) + (", …" if len(patterns) > 8 else "")
            return f"{kind} {shown}" + (", to be confirmed" if rule.confirm else "")
    methods = ",".join(rule.methods) if rule.methods else WITHOUT_METHODS
    return f"{methods} {rule.path or 'any path'}, auth {rule.auth}"


def _credential_step(selected: Selected, subject: Verified | Refusal | None) -> Step:
    if not selected.needs_credential:
        return Step("token", ok=True, detail="not looked at: the rule is open")
    if subject is None:
        return Step("token", ok=selected.rule is not None and selected.rule.auth == "optional", detail="none was sent")
    if isinstance(subject, Refusal):
        return Step("token", ok=False, detail=said(subject))
    return Step("token", ok=True, detail=f"verified: {subject.alg} by issuer {subject.issuer}")


def said(refusal: Refusal) -> str:
    return f"{refusal.code}: {refusal.detail}" if refusal.detail else str(refusal.code)
