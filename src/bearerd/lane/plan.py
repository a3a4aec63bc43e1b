"""The compiled policy in the form that the lane judges by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast

from bearerd import request as view
from bearerd._native.route import NO_ID, Route, Routes
from bearerd.audit.wanted import NONE
from bearerd.faces import answer, asked, ext_authz, forward_auth, operations, wire
from bearerd.faces.forms import Form
from bearerd.metrics import NO_CODE
from bearerd.policy import decide
from bearerd.refusals import Code, Outcome, Refusal
from bearerd.verify.verifier import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bearerd.audit.auditor import Auditor
    from bearerd.metrics import Metrics
    from bearerd.policy.resource import Policy, Resource

OVERLOADED: Final = Refusal(Code.OVERLOADED, "more requests wait to be verified than may", retry_after=1)
READY: Final = (*AGAIN, Refusal(Code.TOO_LARGE), Refusal(Code.MISSING_TOKEN), OVERLOADED)
"""The refusals that the lane gives by itself, by place: of remembered tokens, of one that is too long, of none, and where too
many wait already."""

FACES: Final = (forward_auth.FACE, ext_authz.FACE)


def routes(policy: Policy, metrics: Metrics, *, reveal: bool, audit: Auditor | None = None) -> Routes:
    """Every resource at every face that it lists.  ``reveal``: ``server.reveal_reason``."""
    made: list[Route] = []
    for resource, face, dialect in _spoken(policy):
        guard, in_body = resource.guard, operations.needs_body(resource, dialect)
        wanted = NONE if audit is None else audit.of(resource.name)
        held = audit is not None and audit.waits and wanted.all  # whoever decides has to wait: nobody here can
        route = Route(
            len(made),
            resource.name,
            cast("Literal['nginx', 'forwarded', 'envoy']", dialect),
            resource.matcher,
            bytes(1 if rule.open else 2 if rule.auth == "optional" else 0 for rule in resource.enforced),
            plain=not resource.shadows and not held,
            enforced=not resource.shadow,
            constrained=resource.constrained,
            has_paths=resource.has_paths,
            identity=resource.identity.canonical,
            allowed=_cell(metrics, resource.name, face, Outcome.ALLOW, NO_CODE),
            duration=metrics.cell("bearerd_decision_duration_seconds", face) or 0,
            takes_tokens="jwt" in resource.credentials,
            takes_keys="apikey" in resource.credentials,
            redirects=resource.login is not None,
            operations=None if guard is None or in_body else guard.matcher,
            in_body=in_body,
            origins=None if resource.origins is None else tuple(resource.origins),
            audits=wanted.allows,
            audits_refusals=wanted.refusals,
            audits_all=wanted.all and audit is not None and audit.keeps,
        )
        forms = (Form.PROBLEM,) if dialect == "nginx" else tuple(Form)  # nginx drops bodies
        ready = [
            _refusal(resource, face, dialect, refusal, form, metrics, reveal=reveal)
            for form in forms
            for refusal in READY
        ]
        route.refuse_with(ready, len(forms))
        made.append(route)
    by_name = {route.resource: route for route in made if route.face == forward_auth.FACE}
    return Routes(policy.generation, made, policy.hosts, [by_name.get(resource.name) for resource in policy.named])


def _spoken(policy: Policy) -> Iterator[tuple[Resource, str, str]]:
    for resource in policy.resources.values():
        for face in FACES:
            if dialect := asked.dialect_of(resource.gateways, face):
                yield resource, face, dialect


def _refusal(
    resource: Resource, face: str, dialect: str, refusal: Refusal, form: Form, metrics: Metrics, *, reveal: bool
) -> tuple[bytes, bytes, int]:
    """What the same refusal would be if Python made it: these depend on the resource alone, whatever the rule."""
    decision = decide.refused(resource, refusal, view.of(None, None))
    made = answer.answer(decision, NO_ID, dialect, reveal=reveal, form=form)
    return *wire.message(made), _cell(metrics, resource.name, face, refusal.row.outcome, refusal.code)


def _cell(metrics: Metrics, *labels: str) -> int:
    return metrics.cell("bearerd_decisions_total", *labels) or 0
