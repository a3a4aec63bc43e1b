"""What a use of a token comes to, refusal by refusal, and who learns which."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.policies import (
    AUDIENCE,
    ISSUER,
    NOW,
    OTHER_ISSUER,
    State,
    asked,
    decided,
    resource,
    verified,
)

from bearerd.config.model import IDENTITY
from bearerd.decision import Challenge, Decision, Now, WouldRefuse
from bearerd.policy.decide import RETRY_AFTER, decide_now, judge_for_introspection, refused, unknown_resource
from bearerd.policy.rules import select_rule
from bearerd.refusals import TABLE, Code, Outcome, Refusal

METADATA = "https://api.example/.well-known/oauth-protected-resource"
EMPTY = tuple((name, "") for name in IDENTITY)


# ---- allow ----


def test_a_good_token_is_allowed_with_identity() -> None:
    decision = decided(resource({"path": "/a"}), asked("GET", b"/a"), verified(roles=("ops",)))
    assert (decision.allowed, decision.outcome, decision.code, decision.status) == (True, Outcome.ALLOW, None, 200)
    assert (decision.resource, decision.rule) == ("api", 0)
    assert decision.claims == {"sub": "alice"}
    assert dict(decision.headers_add)["X-Auth-Roles"] == "ops"
    assert decision.headers_remove == tuple(IDENTITY)
    assert decision.challenge is None


def test_without_rules_a_token_with_the_resources_scopes_is_enough() -> None:
    assert decided(resource(scopes=["api"]), asked(None, None, trusted=False), verified(scopes=("api",))).allowed


@pytest.mark.parametrize("audience", [(AUDIENCE,), (AUDIENCE + "/",), ("other", AUDIENCE)])
def test_one_matching_audience_suffices_and_its_twin_too(audience: tuple[str, ...]) -> None:
    assert decided(resource(), asked(), verified(audience=audience)).allowed


# ---- 401: no good token ----


def test_no_token_is_a_challenge_without_error() -> None:
    decision = decided(resource({"path": "/a", "scopes": ["a:read"]}, scopes=["api"]), asked("GET", b"/a"))
    assert (decision.allowed, decision.code, decision.status) == (False, Code.MISSING_TOKEN, 401)
    assert decision.challenge == Challenge("api", None, "api", METADATA)
    assert decision.headers_add == ()
    assert decision.claims is None


def test_a_challenge_names_no_metadata_without_an_identifier_url() -> None:
    assert decided(resource(identifier=None, audience="x"), asked()).challenge == Challenge("api")


@pytest.mark.parametrize("code", [Code.EXPIRED, Code.BAD_SIGNATURE, Code.REVOKED, Code.UNSUPPORTED_SCHEME])
def test_what_verification_refused_is_passed_on_with_its_reason(code: Code) -> None:
    decision = decided(resource(), asked(), Refusal(code, "why", ("hint",)))
    assert (decision.code, decision.status, decision.detail, decision.hints) == (code, 401, "why", ("hint",))
    assert decision.challenge == Challenge("api", TABLE[code].error, None, METADATA)


def test_whoever_shows_no_good_token_cannot_tell_the_rules_apart() -> None:
    made = resource(
        {"path": "/a", "roles": ["x"]}, {"path": "/b/c", "scopes": ["s"]}, {"path": "/b/**"}, scopes=["api"]
    )
    headers = (b"x_auth_subject", b"root")
    for subject in (None, Refusal(Code.EXPIRED)):
        answers = {
            (decision.status, decision.code, decision.challenge, decision.headers_add)
            for target in (b"/a", b"/A", b"/b/c", b"/b/c/", b"/b/x", b"/nowhere")
            for request in (asked("GET", target), asked("GET", target, headers, sees_all_headers=True))
            for decision in [decided(made, request, subject)]
        }
        assert len(answers) == 1


def test_a_token_in_the_query_is_refused_whatever_the_header_holds() -> None:
    request = asked("GET", b"/a?access_token=x")
    for subject in (None, verified(), Refusal(Code.EXPIRED)):
        decision = decided(resource({"path": "/a", "auth": "optional"}), request, subject)
        assert (decision.code, decision.status) == (Code.AMBIGUOUS_CREDENTIALS, 401)
        assert decision.challenge is not None
        assert decision.challenge.error == "invalid_request"
    assert decided(resource({"path": "/a", "auth": "none"}), request).allowed


def test_an_unverified_credential_is_nobody_elses_anonymity() -> None:
    """``subject=None`` although there is an Authorization field: a caller's mistake must not open an optional rule."""
    request = asked("GET", b"/", (b"Authorization", b"Bearer x"))
    decision = decided(resource({"auth": "optional"}), request)
    assert (decision.code, decision.status, decision.retry_after) == (Code.INTERNAL_ERROR, 503, RETRY_AFTER)


# ---- 401: a good token, but not for this ----


@pytest.mark.parametrize(
    ("table", "fields", "code"),
    [
        ({"issuers": ["b"]}, {}, Code.UNKNOWN_ISSUER),
        ({}, {"issuer": "https://c.example"}, Code.UNKNOWN_ISSUER),
        ({}, {"audience": ("https://api.example//",)}, Code.WRONG_AUDIENCE),
        ({}, {"audience": ("https://API.example",)}, Code.WRONG_AUDIENCE),
        ({}, {"audience": ()}, Code.WRONG_AUDIENCE),
        ({"audience": ["x"]}, {"audience": (AUDIENCE,)}, Code.WRONG_AUDIENCE),
        ({"max_lifetime": "10m"}, {}, Code.TOO_LONG_LIVED),
        ({"max_lifetime": "10m"}, {"expires_at": math.nan}, Code.TOO_LONG_LIVED),
        ({}, {"confirmed": True}, Code.PROOF_REQUIRED),
    ],
)
def test_a_good_token_for_something_else_is_challenged(
    table: dict[str, Any], fields: dict[str, Any], code: Code
) -> None:
    decision = decided(resource({"scopes": ["unmet"]}, **table), asked(), verified(**fields))
    assert (decision.code, decision.status) == (code, 401)
    assert decision.challenge is not None
    assert decision.challenge.error == "invalid_token"
    assert decision.challenge.scope is None, "the rule's scopes are not for everybody"
    assert decision.reuse is None


def test_a_lifetime_of_exactly_the_limit_is_allowed() -> None:
    assert decided(resource(max_lifetime="11m"), asked(), verified()).allowed


def test_a_near_audience_is_hinted_to_the_logs_and_nobody_else() -> None:
    decision = decided(
        resource(audience=["https://api.example/v1"]), asked(), verified(audience=("https://api.example/V1/",))
    )
    assert "final slash or case" in decision.hints[0]
    assert decision.hints[-1].startswith("the resource is meant by 'https://api.example/v1'")
    assert "aud is" in decision.detail
    assert decided(resource(), asked(), verified(audience=())).detail == "the token has no aud"


# ---- 503 ----


@pytest.mark.parametrize(
    ("staleness", "age", "allowed"),
    [
        ("strict", 30.0, True),
        ("strict", 30.1, False),
        ("strict", math.inf, False),
        ("strict", math.nan, False),
        ("available", 30.1, True),
        ("available", 3600.0, True),
        ("available", 3600.1, False),
    ],
)
def test_a_view_that_is_too_old_refuses(staleness: str, age: float, allowed: bool) -> None:
    decision = decided(resource(staleness=staleness), asked(), verified(), state=State(age))
    assert decision.allowed is allowed
    if not allowed:
        assert (decision.code, decision.outcome) == (Code.STALE_STATE, Outcome.UNAVAILABLE)
        assert decision.retry_after == RETRY_AFTER
        assert decision.challenge is None


def test_age_is_measured_by_the_boot_clock_so_a_suspended_process_refuses_first() -> None:
    slept = Now(NOW.wall, NOW.boot + 31)
    assert decided(resource(), asked(), verified(), now=slept, state=State(0.0)).code is Code.STALE_STATE


def test_open_rules_need_no_view() -> None:
    stale = State(math.inf)
    assert decided(resource({"auth": "none"}), asked(), state=stale).allowed
    assert decided(resource({"auth": "optional"}), asked(), state=stale).allowed


@pytest.mark.parametrize("age", [math.inf, 4000.0])
@pytest.mark.parametrize(("known", "allowed"), [(0.0, True), (3600.0, True), (3600.1, False), (math.inf, False)])
def test_what_a_snapshot_knows_serves_available_resources_and_no_strict_one(
    age: float, known: float, allowed: bool
) -> None:
    state = State(age, known=known)
    assert decided(resource(staleness="available"), asked(), verified(), state=state).allowed is allowed
    decision = decided(resource(), asked(), verified(), state=state)
    assert (decision.allowed, decision.code, decision.status) == (False, Code.STALE_STATE, 503)


def test_what_is_decided_by_a_snapshot_is_decided_anew_each_time() -> None:
    available = resource(staleness="available")
    assert decided(available, asked(), verified(), state=State(100.0, known=99.0)).reuse is None
    assert decided(available, asked(), verified(), state=State(99.0, known=100.0)).reuse is not None
    assert decided(available, asked(), verified(), state=State(99.0)).reuse is not None


def test_a_stale_view_says_nothing_of_the_rules() -> None:
    stale = State(math.inf)
    made = resource({"path": "/a", "scopes": ["s"]})
    for target in (b"/a", b"/b"):
        assert decided(made, asked("GET", target), verified(), state=stale).code is Code.STALE_STATE


def test_a_refusal_that_says_when_to_come_back_is_believed() -> None:
    decision = decided(resource(), asked(), Refusal(Code.ISSUER_UNAVAILABLE, retry_after=9))
    assert (decision.status, decision.retry_after) == (503, 9)


# ---- 403 ----


def test_all_scopes_are_needed_and_all_are_in_one_challenge() -> None:
    made = resource({"scopes": ["b", "c"]}, scopes=["a"])
    decision = decided(made, asked(), verified(scopes=("a", "c")))
    assert (decision.code, decision.status, decision.rule) == (Code.INSUFFICIENT_SCOPE, 403, 0)
    assert decision.challenge == Challenge("api", "insufficient_scope", "a b c", METADATA)
    assert decision.detail == "missing: b"
    assert decided(made, asked(), verified(scopes=("c", "b", "a", "d"))).allowed


def test_a_failed_requirement_never_falls_through_to_a_laxer_rule() -> None:
    made = resource({"path": "/a", "roles": ["admin"]}, {"path": "/**", "auth": "none"})
    decision = decided(made, asked("GET", b"/a"), verified())
    assert (decision.code, decision.rule, decision.challenge) == (Code.FORBIDDEN, 0, None)


def test_any_one_role_is_enough() -> None:
    made = resource({"roles": ["admin", "ops"]})
    assert decided(made, asked(), verified(roles=("x", "ops"))).allowed
    assert decided(made, asked(), verified(roles=("Ops",))).code is Code.FORBIDDEN


@pytest.mark.parametrize(
    ("claim", "wanted", "allowed"),
    [
        ("org/app", "org/app", True),
        (["x", "org/app"], "org/app", True),
        ("org/app2", "org/app", False),
        ({"org/app": 1}, "org/app", False),
        ([["org/app"]], "org/app", False),
        (None, "org/app", False),
        (1, True, False),
        (True, True, True),
        (True, 1, False),
        ([True], 1, False),
        (False, 0, False),
        (1, 1, True),
        (1.0, 1, True),
        (2, 1, False),
        ("1", 1, False),
        (1, "1", False),
        ("true", True, False),
    ],
)
def test_a_claim_is_equal_or_contained_in_a_list(claim: Any, wanted: Any, allowed: bool) -> None:
    made = resource({"claims": {"repository": wanted}})
    decision = decided(made, asked(), verified(claims={"repository": claim}))
    assert decision.allowed is allowed
    assert decision.code is (None if allowed else Code.FORBIDDEN)


def test_every_claim_is_needed_and_an_absent_one_fails() -> None:
    made = resource({"claims": {"a.b": "x", "c": 1}})
    assert decided(made, asked(), verified(claims={"a": {"b": "x"}, "c": 1})).allowed
    assert decided(made, asked(), verified(claims={"a": {"b": "x"}})).code is Code.FORBIDDEN


@pytest.mark.parametrize(
    ("target", "code"), [(b"/nowhere", Code.FORBIDDEN), (b"/ADMIN", Code.AMBIGUOUS_PATH), (b"//", Code.AMBIGUOUS_PATH)]
)
def test_the_holder_of_a_good_token_is_told_that_no_rule_matches(target: bytes, code: Code) -> None:
    made = resource({"path": "/admin"}, {"path": "/[a-z]"}, {"path": "/A*"})
    decision = decided(made, asked("GET", target), verified())
    assert (decision.code, decision.status, decision.rule) == (code, 403, None)


def test_an_untrusted_peer_is_told_only_that() -> None:
    for subject in (None, verified(), Refusal(Code.EXPIRED)):
        decision = decided(resource({"path": "/a", "auth": "none"}), asked("GET", b"/a", trusted=False), subject)
        assert (decision.code, decision.status) == (Code.UNTRUSTED_PEER, 403)


@pytest.mark.parametrize("auth", ["required", "optional", "none"])
def test_a_spoofed_identity_header_is_forbidden_on_every_rule(auth: str) -> None:
    request = asked("GET", b"/", (b"x_auth_subject", b"root"), sees_all_headers=True)
    decision = decided(resource({"auth": auth}), request, None if auth == "optional" else verified())
    assert (decision.code, decision.status) == (Code.FORBIDDEN, 403)


# ---- open rules ----


def test_a_none_rule_clears_identity_and_looks_at_no_credential() -> None:
    request = asked("GET", b"/", (b"Authorization", b"Basic nonsense"))
    decision = decided(resource({"auth": "none"}, scopes=["api"]), request, verified())
    assert decision.allowed
    assert (decision.headers_add, decision.headers_remove) == (EMPTY, tuple(IDENTITY))
    assert decision.claims is None


def test_an_optional_rule_knows_anonymous_from_bad_and_from_good() -> None:
    made = resource({"auth": "optional"}, scopes=["api"])
    anonymous = decided(made, asked())
    assert (anonymous.allowed, anonymous.headers_add, anonymous.claims) == (True, EMPTY, None)
    assert decided(made, asked(), Refusal(Code.UNSUPPORTED_SCHEME)).code is Code.UNSUPPORTED_SCHEME
    assert decided(made, asked(), Refusal(Code.MISSING_TOKEN)).code is Code.MISSING_TOKEN
    assert decided(made, asked(), verified()).code is Code.INSUFFICIENT_SCOPE
    assert decided(made, asked(), verified(scopes=("api",))).allowed


# ---- shadow ----


def test_a_shadow_rule_is_counted_and_decides_nothing() -> None:
    made = resource(
        {"scopes": ["s"], "enforce": "shadow"},
        {"roles": ["r"], "enforce": "shadow"},
        {"auth": "none", "enforce": "shadow"},
        {"auth": "optional", "enforce": "shadow"},
        {"claims": {"sub": "alice"}, "enforce": "shadow"},
    )
    decision = decided(made, asked(), verified())
    assert decision.allowed
    assert decision.would_refuse == (WouldRefuse(Code.INSUFFICIENT_SCOPE, 0), WouldRefuse(Code.FORBIDDEN, 1))
    assert decision.reuse is None


def test_what_is_refused_anyway_is_not_counted_as_would_refuse() -> None:
    made = resource({"scopes": ["s"], "enforce": "shadow"}, {"roles": ["r"]})
    assert decided(made, asked(), verified()).would_refuse == ()
    assert decided(made, asked()).would_refuse == ()


@pytest.mark.parametrize("auth", ["none", "optional"])
def test_a_shadow_rule_before_an_open_one_counts_who_sends_no_token(auth: str) -> None:
    shadows: list[dict[str, Any]] = [{"enforce": "shadow"}, {"enforce": "shadow", "auth": "none"}]
    made = resource(*shadows, {"auth": auth})
    decision = decided(made, asked())
    assert decision.allowed
    assert decision.would_refuse == (WouldRefuse(Code.MISSING_TOKEN, 0),)
    assert decision.reuse is None


def test_a_credential_that_is_not_looked_at_is_not_counted() -> None:
    made = resource({"enforce": "shadow"}, {"auth": "none"})
    decision = decided(made, asked("GET", b"/", (b"authorization", b"Bearer x")))
    assert decision.allowed
    assert decision.would_refuse == ()


@pytest.mark.parametrize(
    ("request_", "subject", "age", "code"),
    [
        (asked("GET", b"/a"), None, 1.0, Code.MISSING_TOKEN),
        (asked("GET", b"/a"), Refusal(Code.EXPIRED), 1.0, Code.EXPIRED),
        (asked("GET", b"/a"), verified(), math.inf, Code.STALE_STATE),
        (asked("GET", b"/a"), verified(), 1.0, Code.INSUFFICIENT_SCOPE),
        (asked("GET", b"/b"), verified(), 1.0, Code.FORBIDDEN),
        (asked("GET", b"//"), verified(), 1.0, Code.AMBIGUOUS_PATH),
        (asked(None, None), verified(), 1.0, Code.UNTRUSTED_PEER),
        (asked("GET", b"/a?access_token=x"), verified(), 1.0, Code.AMBIGUOUS_CREDENTIALS),
    ],
)
def test_a_shadow_resource_allows_a_trusted_peer_whatever_it_asks_but_without_identity(
    request_: Any, subject: Any, age: float, code: Code
) -> None:
    rule = {"path": "/a", "scopes": ["s"]}
    decision = decided(resource(rule, enforce="shadow"), request_, subject, state=State(age))
    assert (decision.allowed, decision.status, decision.code, decision.challenge) == (True, 200, None, None)
    assert (decision.headers_add, decision.claims, decision.reuse) == (EMPTY, None, None)
    assert decision.would_refuse == (WouldRefuse(code, None),)
    enforced = decided(resource(rule), request_, subject, state=State(age))
    assert (enforced.allowed, enforced.code) == (False, code)


def test_a_shadow_resource_tells_an_untrusted_peer_the_truth() -> None:
    decision = decided(resource(enforce="shadow"), asked(trusted=False))
    assert decision.code is Code.MISSING_TOKEN
    decision = decided(resource({"path": "/"}, enforce="shadow"), asked(trusted=False), verified())
    assert decision.code is Code.UNTRUSTED_PEER


def test_a_shadow_resource_identifies_whom_the_enforced_one_would_have_let_in() -> None:
    shadow, enforced = (decided(resource(**table), asked(), verified()) for table in ({"enforce": "shadow"}, {}))
    assert shadow == enforced
    assert dict(shadow.headers_add)["X-Auth-Subject"] == "alice"


def test_a_shadow_resource_has_spoofed_headers_removed() -> None:
    request = asked("GET", b"/", (b"x_auth_subject", b"root"), sees_all_headers=True)
    decision = decided(resource(enforce="shadow"), request, verified())
    assert decision.allowed
    assert decision.headers_remove == (*IDENTITY, "x_auth_subject")
    assert decision.headers_add == EMPTY


# ---- elsewhere ----


def test_refusals_from_elsewhere_are_decisions_too() -> None:
    decision = refused(resource(), Refusal(Code.OVERLOADED), asked())
    assert (decision.code, decision.status, decision.retry_after) == (Code.OVERLOADED, 503, RETRY_AFTER)
    assert refused(resource(enforce="shadow"), Refusal(Code.OVERLOADED), asked()).allowed


def test_an_unknown_resource_is_no_label() -> None:
    decision = unknown_resource("guessed")
    assert (decision.code, decision.status, decision.resource) == (Code.UNKNOWN_RESOURCE, 403, "")
    assert decision.challenge is None


def test_introspection_judges_the_token_and_the_view_but_not_rules_or_proof() -> None:
    made, state = resource({"path": "/a", "scopes": ["s"]}, scopes=["api"], max_lifetime="11m"), State()
    assert judge_for_introspection(made, verified(), NOW, state) is None
    assert judge_for_introspection(made, verified(confirmed=True), NOW, state) is None
    for token, age, code in (
        (verified(issuer="https://c.example"), 1.0, Code.UNKNOWN_ISSUER),
        (verified(audience=("x",)), 1.0, Code.WRONG_AUDIENCE),
        (verified(issued_at=NOW.wall - 61), 1.0, Code.TOO_LONG_LIVED),
        (verified(), 31.0, Code.STALE_STATE),
    ):
        refusal = judge_for_introspection(made, token, NOW, State(age))
        assert refusal is not None
        assert refusal.code is code


# ---- reuse ----


def test_reuse_ends_with_the_token_or_with_the_view_whichever_is_first() -> None:
    reuse = decided(resource({}), asked(), verified()).reuse
    assert reuse is not None
    assert (reuse.resource, reuse.rule) == ("api", 0)
    assert (reuse.config_generation, reuse.key_generation, reuse.revocation_sequence) == (7, 3, 11)
    assert reuse.until_wall == NOW.wall + 600 + 30
    assert reuse.until_boot == NOW.boot + 29
    available = decided(resource(staleness="available"), asked(), verified()).reuse
    assert available is not None
    assert available.until_boot == NOW.boot + 630


def test_an_open_rule_may_be_answered_again_for_ever_under_its_generations() -> None:
    reuse = decided(resource({"auth": "none"}), asked()).reuse
    assert reuse is not None
    assert (reuse.key_generation, reuse.until_wall, reuse.until_boot) == (0, math.inf, math.inf)


@pytest.mark.parametrize(
    ("made", "request_", "subject"),
    [
        (resource({"auth": "optional"}), asked(), None),
        (resource({"roles": ["x"]}), asked(), verified()),
        (resource(), asked(), Refusal(Code.EXPIRED)),
        (resource({"enforce": "shadow"}, {}), asked(), verified()),
        (resource({"enforce": "shadow"}, {"auth": "none"}), asked(), None),
    ],
)
def test_nothing_else_may_be_reused(made: Any, request_: Any, subject: Any) -> None:
    assert decided(made, request_, subject).reuse is None


def test_the_key_generation_is_that_of_the_tokens_issuer() -> None:
    reuse = decided(resource(), asked(), verified(issuer=OTHER_ISSUER)).reuse
    assert reuse is not None
    assert reuse.key_generation == 5


def test_a_decision_can_be_made_step_by_step_as_the_flow_does() -> None:
    made, request = resource(), asked()
    selected = select_rule(made, request)
    decision = decide_now(made, selected, verified(issuer=ISSUER), request, NOW, State())
    assert isinstance(decision, Decision)
    assert decision.allowed
