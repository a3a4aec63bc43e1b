"""The decision: what this use of a token comes to.  No await, no I/O, and nothing remembered.

Which refusal comes first is a question of who learns what (contracts, section 4: a hint is an oracle):

1. What ``select_rule`` refused at once: an untrusted peer, a foreign ``Origin``, or a path that is ambiguous in itself.
2. Open rules (``none``, a preflight): no credential is looked at, no view is needed.
3. 401 for whoever shows no good token: a credential in the query, none at all, or one that verification refused.  It is
   the same on every closed path, whether a rule matches or not; its challenge names the resource's own scopes, which hold
   for every path, and never a rule's.
4. 401 for a good token that is not for this resource: issuer, audience, lifetime, proof of possession.
5. 503 where the view of the revocations is too old: the token may be revoked, so its bearer is not yet to be told more.
6. 403, only now, for the holder of a good token: no rule or a narrowly missed one, a spoofed identity header, scopes
   (all that are needed in one challenge), then roles and claims, then what is asked of the call itself (``demands``).

``access_token`` in the query is judged here (3), and not by the faces, so that no face forgets it, ``none`` rules are
exempt, and the answer says nothing of whether the token in the header is good.

A shadow resource turns every refusal of these into an allow without identity, for trusted peers only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from bearerd import request as view
from bearerd.decision import Challenge, Decision, Reuse, WouldRefuse
from bearerd.policy import demands, reuse, scopes, staleness
from bearerd.policy.rules import Selected, select_rule
from bearerd.refusals import Code, Outcome, Refusal
from bearerd.store.entries import API_KEYS
from bearerd.verify import hints, paths

if TYPE_CHECKING:
    from bearerd.decision import Now, Pending
    from bearerd.policy.resource import Resource, Rule
    from bearerd.policy.reuse import State
    from bearerd.request import Request
    from bearerd.verify.verified import Verified

RETRY_AFTER: Final = 1  # seconds, where a refusal that will pass does not say when
_PASSING: Final = frozenset({429, 503})
_NO_REQUEST: Final = view.of(None, None)


def decide_now(
    resource: Resource,
    selected: Selected | Refusal,
    subject: Verified | Refusal | None,
    request: Request,
    now: Now,
    state: State,
) -> Decision | Pending:
    """Decide.

    ``subject`` is what verification made of the credential; None only where the request has no Authorization field at
    all, or ``selected.needs_credential`` is false.  Nothing here waits yet: Pending is for confirmations and the like.
    """
    decision = _enforced(resource, selected, subject, request, now, state)
    return _in_shadow(resource, decision, request)


def plainly(
    resource: Resource, selected: Selected, verified: Verified, now: Now, state: State
) -> tuple[float, float] | None:
    """Until when (the latest time and boot time) a token is allowed what a plain request asks, of which only the rule is known.

    ``decide_now`` decides the same.  None: it is no allow, or one that depends on more, or says more.
    """
    if resource.shadow or resource.shadows or resource.cacheable_for or resource.identity.signs:
        return None
    if selected.rule is None and resource.enforced and resource.guard is None:
        return None
    if _judge(resource, selected, verified, _NO_REQUEST, now, state) is not None:
        return None
    return reuse.ends(resource, selected, verified, now, state)


def refused(resource: Resource, refusal: Refusal, request: Request, rule: Rule | None = None) -> Decision:
    """The decision for a refusal that arose elsewhere (``overloaded``, ``internal_error``, a settlement under a rule)."""
    return _in_shadow(resource, _refuse(resource, refusal, rule), request)


def may_ask(resource: Resource, request: Request, verified: Verified) -> bool:
    """Whether a good token's holder may ask this as far as its rule's selectors and what the token says go.

    What a call says itself, what it costs, and whether a human must confirm it, is left to the call.
    """
    selected = select_rule(resource, request)
    if isinstance(selected, Refusal) or selected.refusal is not None:
        return resource.shadow
    return resource.shadow or _judge_holder(resource, selected.rule, verified) is None


def unknown_resource(name: str) -> Decision:
    """No such resource, or it does not list the face.

    The asked name is no label: ``resource`` stays empty.  Nor is it repeated: it is a piece of the path, where a gateway
    with a mistake in its configuration may have put anything.
    """
    detail = f"no resource of this name ({len(name)} characters) answers here: there is none, or it does not list this gateway"
    return Decision(False, Outcome.FORBID, Code.UNKNOWN_RESOURCE, 403, resource="", detail=detail)


def of_nobody(refusal: Refusal) -> Decision:
    """The decision where there is no resource yet, or none any more: no challenge, since there is nobody to make it."""
    row = refusal.row
    return Decision(
        False,
        row.outcome,
        refusal.code,
        row.status,
        resource="",
        retry_after=refusal.retry_after,
        detail=refusal.detail,
    )


def judge_for_introspection(resource: Resource, verified: Verified, now: Now, state: State) -> Refusal | None:
    """Why a token is not active for this resource (RFC 7662 section 2.2); None if it is.

    Rules do not count, and a ``cnf`` is passed on to the caller, who can ask for the proof (RFC 9449 section 7.2).
    """
    return _judge_token(resource, verified) or _judge_view(resource, verified, now, state)


# ---- the enforced decision ----


def _enforced(
    resource: Resource,
    selected: Selected | Refusal,
    subject: Verified | Refusal | None,
    request: Request,
    now: Now,
    state: State,
) -> Decision:
    if isinstance(selected, Refusal):
        return _refuse(resource, selected)
    if not selected.needs_credential:
        return _open(resource, selected, request, now, state)
    if selected.token_in_query:
        in_query = Refusal(Code.AMBIGUOUS_CREDENTIALS, "access_token in the query (RFC 6750 section 2.3)")
        return _refuse(resource, in_query, selected.rule)
    if isinstance(subject, Refusal):
        return _refuse(resource, subject, selected.rule)
    if subject is None:
        return _nobody(resource, selected, request, now)
    refusal = _judge(resource, selected, subject, request, now, state)
    if refusal is not None:
        return _refuse(resource, refusal, selected.rule)
    end = subject.expires_at + resource.issuers[subject.issuer]
    told = resource.identity.tell(subject, now, end)
    return Decision(
        True,
        Outcome.ALLOW,
        None,
        200,
        resource.name,
        selected.index,
        claims=subject.claims.apart(),
        headers_add=told.headers,
        headers_remove=resource.identity.names,
        would_refuse=_would_refuse(resource, selected, subject, request, now),
        reuse=reuse.of(resource, selected, subject, now, state, told),
    )


def _open(resource: Resource, selected: Selected, request: Request, now: Now, state: State) -> Decision:
    """A ``none`` rule or a preflight.  The same answer for every request that comes here, unless shadows have a say."""
    if selected.refusal is not None:
        return _refuse(resource, selected.refusal, selected.rule)
    counted: tuple[WouldRefuse, ...] = ()
    if not _has_authorization(request):  # with one, nobody knows: it is not looked at
        counted = _would_refuse(resource, selected, None, request, now)
    forever = Reuse(
        resource.name, selected.index, resource.generation, 0, state.revocation_sequence, -math.inf, math.inf, math.inf
    )
    return _allow_nobody(resource, selected.rule, counted, forever if selected.plain else None)


def _nobody(resource: Resource, selected: Selected, request: Request, now: Now) -> Decision:
    """No Authorization field: anonymous under an ``optional`` rule, else challenged."""
    rule = selected.rule
    if _has_authorization(request):  # a mistake of the caller's: there is a credential, and nobody verified it
        return _refuse(resource, Refusal(Code.INTERNAL_ERROR, "the credential was not verified"), rule)
    if rule is None or rule.auth != "optional":
        return _refuse(resource, Refusal(Code.MISSING_TOKEN), rule)
    if selected.refusal is not None:
        return _refuse(resource, selected.refusal, rule)
    return _allow_nobody(resource, rule, _would_refuse(resource, selected, None, request, now), None)


def _allow_nobody(
    resource: Resource, rule: Rule | None, counted: tuple[WouldRefuse, ...], reuse: Reuse | None
) -> Decision:
    """Allowed without identity: the headers go all the same, empty."""
    return Decision(
        True,
        Outcome.ALLOW,
        None,
        200,
        resource.name,
        None if rule is None else rule.index,
        headers_add=resource.identity.cleared,
        headers_remove=resource.identity.names,
        would_refuse=counted,
        reuse=reuse,
    )


def _refuse(resource: Resource, refusal: Refusal, rule: Rule | None = None) -> Decision:
    row = refusal.row
    retry_after = refusal.retry_after
    if retry_after is None and row.status in _PASSING:
        retry_after = RETRY_AFTER
    return Decision(
        False,
        row.outcome,
        refusal.code,
        row.status,
        resource.name,
        None if rule is None else rule.index,
        challenge=_challenge(resource, refusal, rule),
        retry_after=retry_after,
        detail=refusal.detail,
        hints=refusal.hints,
        approval=refusal.approval,
    )


def _challenge(resource: Resource, refusal: Refusal, rule: Rule | None) -> Challenge | None:
    """RFC 6750 section 3: with every 401, and with the 403 that more scopes would mend, naming *all* that are needed."""
    row = refusal.row
    if row.status != 401 and refusal.code is not Code.INSUFFICIENT_SCOPE:
        return None
    needed = resource.scopes
    if rule is not None and refusal.code is Code.INSUFFICIENT_SCOPE:
        needed = rule.scopes
    return Challenge(resource.name, row.error, " ".join(needed) or None, resource.metadata_url)


# ---- judging ----


def _judge(
    resource: Resource, selected: Selected, verified: Verified, request: Request, now: Now, state: State
) -> Refusal | None:
    """What a good token is refused for; None: nothing."""
    return (
        _judge_token(resource, verified)
        or _judge_proof(verified)
        or _judge_view(resource, verified, now, state)
        or selected.refusal
        or _judge_use(resource, selected.rule, verified, request, now)
    )


def _judge_token(resource: Resource, verified: Verified) -> Refusal | None:
    """Whether a good token is one for this resource."""
    if verified.issuer not in resource.issuers:
        return Refusal(Code.UNKNOWN_ISSUER, f"the resource does not accept issuer {hints.quoted(verified.issuer)}")
    if not resource.is_meant_by(verified):
        return Refusal(Code.WRONG_AUDIENCE, _audience_detail(verified), _near_audiences(resource, verified))
    if verified.issuer == API_KEYS:
        return None  # an API key lives for months
    if resource.max_lifetime is not None and not verified.lifetime <= resource.max_lifetime:
        limit = f"exp - iat is {verified.lifetime:.0f} s, more than the resource's {resource.max_lifetime:.0f} s"
        return Refusal(Code.TOO_LONG_LIVED, limit)
    return None


def _judge_proof(verified: Verified) -> Refusal | None:
    """RFC 9449 section 7.2, RFC 8705 section 3: a bound token is worth nothing without the proof, here as elsewhere."""
    return Refusal(Code.PROOF_REQUIRED, "the token has a cnf claim") if verified.confirmed else None


def _judge_view(resource: Resource, verified: Verified, now: Now, state: State) -> Refusal | None:
    """Whether the view is fresh enough to know that the token is not revoked (G2); an API key's record, too."""
    age, limit = staleness.age_for(resource, verified, now, state), staleness.limit(resource, state)
    if age <= limit:  # also false for what is not a number
        return None
    return Refusal(Code.STALE_STATE, f"the view is {age:.1f} s old, more than {limit:.0f} s")


def _judge_use(resource: Resource, rule: Rule | None, verified: Verified, request: Request, now: Now) -> Refusal | None:
    """The requirements: of whoever asks, then of what is asked."""
    return _judge_holder(resource, rule, verified) or demands.unmet(resource, rule, request, verified, now)


def _judge_holder(resource: Resource, rule: Rule | None, verified: Verified) -> Refusal | None:
    """Scopes first, for they can be mended by asking for another token."""
    needed = resource.scopes if rule is None else rule.scopes
    missing = scopes.missing(needed, verified.scopes, resource.implied)
    if missing:
        return Refusal(Code.INSUFFICIENT_SCOPE, f"missing: {' '.join(missing)}")
    if rule is None:
        return None
    if rule.roles and rule.roles.isdisjoint(verified.roles):
        return Refusal(Code.FORBIDDEN, f"none of the roles {', '.join(sorted(rule.roles))}")
    for path, wanted in rule.claims:
        if not holds(paths.at(verified.claims, path), wanted):
            return Refusal(Code.FORBIDDEN, f"the claim {path} does not hold what the rule asks for")
    return None


def holds(value: object, wanted: str | float | bool) -> bool:
    """Whether a claim is what is asked for: equal, or a list that contains it."""
    return any(_equal(item, wanted) for item in value) if isinstance(value, list) else _equal(value, wanted)


def _equal(value: object, wanted: str | float | bool) -> bool:
    """As JSON has it: ``true`` is not 1, and ``"1"`` is neither; 1 and 1.0 are one number."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) or isinstance(wanted, str):
        return isinstance(value, str) and isinstance(wanted, str) and value == wanted
    return isinstance(value, int | float) and value == wanted


# ---- shadow ----


def _would_refuse(
    resource: Resource, selected: Selected, verified: Verified | None, request: Request, now: Now
) -> tuple[WouldRefuse, ...]:
    """What the shadow rules in front of an allow would have refused: what enforcing them would break."""
    found = []
    for rule in selected.shadows:
        refusal: Refusal | None = None
        if verified is not None and not rule.open:
            refusal = _judge_use(resource, rule, verified, request, now)
        elif verified is None and rule.auth == "required" and not rule.open:
            refusal = Refusal(Code.MISSING_TOKEN)
        if refusal is not None:
            found.append(WouldRefuse(refusal.code, rule.index))
    return tuple(found)


def _in_shadow(resource: Resource, decision: Decision, request: Request) -> Decision:
    """A shadow resource refuses a trusted peer nothing: but where the decision was no allow, nobody was identified."""
    if decision.allowed or decision.code is None or not resource.shadow or not request.trusted:
        return decision
    # Asked of the request: many a refusal comes before the selection that looks for them.
    spoofed = resource.identity.spoofed(request.headers) if request.sees_all_headers else ()
    return Decision(
        True,
        Outcome.ALLOW,
        None,
        200,
        resource.name,
        decision.rule,
        headers_add=resource.identity.cleared,
        headers_remove=(*resource.identity.names, *spoofed),
        would_refuse=(WouldRefuse(decision.code, None),),
        detail=decision.detail,
        hints=decision.hints,
    )


# ---- what the parts need ----


def _has_authorization(request: Request) -> bool:
    return any(name.lower() == b"authorization" for name, _ in request.headers)


def _audience_detail(verified: Verified) -> str:
    shown = ", ".join(map(hints.quoted, verified.audience[:3]))
    return f"aud is {shown}" if shown else "the token has no aud"


def _near_audiences(resource: Resource, verified: Verified) -> tuple[str, ...]:
    """For logs: an audience that is ours but for its final slash or its case, and what ours is called."""
    ours = {_folded(audience): audience for audience in resource.audience}
    near = (ours.get(_folded(audience)) for audience in verified.audience[:8])
    found = [f"{hints.quoted(known)} is accepted: they differ by final slash or case" for known in near if known]
    wanted = [resource.name] if verified.issuer == API_KEYS else sorted(resource.audience)[:3]
    return (*found, f"the resource is meant by {', '.join(map(hints.quoted, wanted))}")


def _folded(audience: str) -> str:
    return audience.casefold().rstrip("/")
