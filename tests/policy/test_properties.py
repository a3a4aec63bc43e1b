"""What holds for every policy: no answer is reused for another request, and asking for more never gives more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.policies import AUDIENCE, ISSUER, NOW, OTHER_ISSUER, State, asked, decided, resource, verified

from bearerd.decision import Decision, Now
from bearerd.policy.decide import plainly
from bearerd.policy.rules import Selected, select_rule
from bearerd.refusals import Code, Refusal
from bearerd.request import Request
from bearerd.verify.verified import Verified

WORDS = st.lists(st.sampled_from("abc"), max_size=2, unique=True)
PATHS = ("/a", "/a/", "/a/**", "/*", "/**", "/b")
TARGETS = (b"/a", b"/A", b"/a/", b"/a/b", b"/b", b"//", b"/a?access_token=1", b"/a?q=1", None)
HEADERS = (
    (),
    ((b"x_auth_subject", b"root"),),
    ((b"authorization", b"Bearer t"),),
    ((b"origin", b"o"), (b"access-control-request-method", b"GET")),
)


def rules() -> st.SearchStrategy[dict[str, Any]]:
    requirements = st.fixed_dictionaries(
        {}, optional={"scopes": WORDS, "roles": WORDS, "claims": st.just({"team": "x"})}
    )
    selectors = st.fixed_dictionaries(
        {}, optional={"path": st.sampled_from(PATHS), "methods": st.just(["GET"]), "enforce": st.just("shadow")}
    )
    closed = st.builds(lambda one, other: one | other, selectors, requirements)
    opened = st.builds(lambda table, auth: table | {"auth": auth}, selectors, st.sampled_from(["none", "optional"]))
    preflight = st.just({"preflight": True})
    return closed | closed | opened | preflight


def tables() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "scopes": WORDS,
            "enforce": st.just("shadow"),
            "staleness": st.just("available"),
            "issuers": st.just(["a"]),
            "cacheable_for": st.sampled_from(["1s", "9s"]),
            "max_lifetime": st.sampled_from(["5m", "1h"]),
            "client_headers": st.just(["x_auth_subject"]),
        },
    )


def requests() -> st.SearchStrategy[Request]:
    return st.builds(
        lambda method, target, headers, trusted, sees: asked(
            method, target, *headers, trusted=trusted, sees_all_headers=sees
        ),
        st.sampled_from(["GET", "POST", "OPTIONS"]),
        st.sampled_from(TARGETS),
        st.sampled_from(HEADERS),
        st.sampled_from([True, True, False]),
        st.booleans(),
    )


def tokens() -> st.SearchStrategy[Verified]:
    return st.builds(
        lambda scopes, roles, issuer, audience, team, cnf: verified(
            scopes=tuple(scopes),
            roles=tuple(roles),
            issuer=issuer,
            audience=(audience,),
            claims={"team": team},
            confirmed=cnf,
        ),
        WORDS,
        WORDS,
        st.sampled_from([ISSUER, ISSUER, OTHER_ISSUER]),
        st.sampled_from([AUDIENCE, AUDIENCE, "x"]),
        st.sampled_from(["x", ["x"], "y"]),
        st.sampled_from([False, False, True]),
    )


def subjects() -> st.SearchStrategy[Verified | Refusal | None]:
    return tokens() | tokens() | st.none() | st.just(Refusal(Code.EXPIRED))


def without_reuse(decision: Decision) -> Decision:
    return replace(decision, reuse=None)


@given(
    st.lists(rules(), max_size=4),
    tables(),
    tokens(),
    st.lists(requests(), min_size=2, max_size=8),
    st.floats(0, 700),
    st.floats(0, 40),
)
def test_wherever_reuse_is_claimed_a_fresh_decision_is_the_same(
    rules_: list[dict[str, Any]], table: dict[str, Any], token: Verified, asks: list[Request], later: float, age: float
) -> None:
    """For the same token, any other plain request that selects the same rule, at any time until the reuse ends."""
    made, state = resource(*rules_, **table), State(age)
    for first in asks:
        decision = decided(made, first, token, state=state)
        reuse = decision.reuse
        if reuse is None:
            continue
        assert decision.allowed
        then = Now(NOW.wall + later, NOW.boot + later)
        if then.wall >= reuse.until_wall or then.boot >= reuse.until_boot:
            continue
        for other in asks:
            selected = select_rule(made, other)
            if isinstance(selected, Selected) and selected.plain and selected.index == reuse.rule:
                fresh = decided(made, other, token, now=then, state=state)
                assert without_reuse(fresh) == without_reuse(decision)
                assert fresh.reuse is not None


@given(st.sampled_from(["strict", "available"]), st.floats(0, 30), st.floats(0, 5000), st.floats(0, 4000))
def test_when_reuse_has_ended_the_view_or_the_token_has(staleness: str, age: float, left: float, sooner: float) -> None:
    """Not a moment too long, nor too short: it ends with the token's ``exp`` and leeway, or where a fresh one refuses."""
    made, state = resource(staleness=staleness), State(age)
    token = verified(expires_at=NOW.wall + left)
    reuse = decided(made, asked(), token, state=state).reuse
    assert reuse is not None
    assert reuse.until_wall == token.expires_at + 30
    ends = reuse.until_boot - NOW.boot
    assert ends >= 0
    past = Now(NOW.wall + ends + 0.001, NOW.boot + ends + 0.001)
    stale = decided(made, asked(), token, now=past, state=state).code is Code.STALE_STATE
    assert stale or past.wall > reuse.until_wall
    before = max(0.0, ends - 0.001 - sooner)
    assert decided(made, asked(), token, now=Now(NOW.wall + before, NOW.boot + before), state=state).allowed


@given(st.lists(rules(), min_size=1, max_size=4), tables(), subjects(), requests(), st.data())
def test_adding_a_requirement_never_turns_a_refusal_into_an_allow(
    rules_: list[dict[str, Any]],
    table: dict[str, Any],
    subject: Verified | Refusal | None,
    request: Request,
    data: st.DataObject,
) -> None:
    stricter_rules, stricter = [dict(rule) for rule in rules_], dict(table)
    closed = [rule for rule in stricter_rules if "auth" not in rule and "preflight" not in rule]
    if not closed or data.draw(st.booleans()):
        stricter["scopes"] = [*table.get("scopes", []), "more"]
    else:
        chosen = data.draw(st.sampled_from(closed))
        kinds = ["scopes", "claims"] if chosen.get("roles") else ["scopes", "claims", "roles"]
        match data.draw(st.sampled_from(kinds)):  # one more role beside others is one more to choose from: no stricter
            case "scopes":
                chosen["scopes"] = [*chosen.get("scopes", []), "more"]
            case "claims":
                chosen["claims"] = chosen.get("claims", {}) | {"more": "x"}
            case _:
                chosen["roles"] = ["more"]
    before = decided(resource(*rules_, **table), request, subject)
    after = decided(resource(*stricter_rules, **stricter), request, subject)
    assert before.allowed or not after.allowed
    if after.allowed and before.allowed and after.claims is not None:
        assert before.claims == after.claims


@given(st.lists(rules(), max_size=4), tables(), subjects(), requests(), st.floats(0, 4000))
def test_nothing_is_allowed_with_identity_but_a_good_token_and_nothing_without_one_but_by_an_open_rule(
    rules_: list[dict[str, Any]],
    table: dict[str, Any],
    subject: Verified | Refusal | None,
    request: Request,
    age: float,
) -> None:
    made = resource(*rules_, **table)
    decision = decided(made, request, subject, state=State(age))
    identified = any(value for _, value in decision.headers_add)
    assert identified == (decision.claims is not None)
    if identified:
        assert isinstance(subject, Verified)
        assert (decision.allowed, subject.confirmed, subject.audience) == (True, False, (AUDIENCE,))
        assert age <= (30 if made.strict else 3600)
        assert set(made.scopes) <= set(subject.scopes)
    elif decision.allowed and not (made.shadow and request.trusted):
        assert decision.rule is not None
        assert made.rules[decision.rule].auth in ("none", "optional") or made.rules[decision.rule].preflight
    if decision.allowed:
        assert tuple(name for name, _ in decision.headers_add) == made.identity.names
    else:
        assert decision.headers_add == ()
        assert decision.code is not None


@given(st.lists(rules(), max_size=4), tables(), tokens(), st.lists(requests(), max_size=8), st.floats(0, 40))
def test_what_is_decided_without_the_request_is_decided_with_any_plain_one_of_its_rule(
    rules_: list[dict[str, Any]], table: dict[str, Any], token: Verified, asks: list[Request], age: float
) -> None:
    made, state = resource(*rules_, **table), State(age)
    for ask in asks:
        selected = select_rule(made, ask)
        if isinstance(selected, Refusal) or not selected.plain or not selected.needs_credential:
            continue
        found, decision = plainly(made, selected, token, NOW, state), decided(made, ask, token, state=state)
        assert found is None or decision.allowed
        if made.shadow or made.shadows or made.cacheable_for:
            assert found is None
        else:
            assert found == (decision.reuse and (decision.reuse.until_wall, decision.reuse.until_boot))
