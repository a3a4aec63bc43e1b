"""What a rule asks of a call itself: in which order, with which refusal, and that no answer to it is given again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.policies import NOW, State, asked, decided, resource, verified

from bearerd.mcp.operation import Operation
from bearerd.policy import demands
from bearerd.policy.rules import Selected, select_rule
from bearerd.refusals import Code

if TYPE_CHECKING:
    from bearerd.refusals import Refusal
    from bearerd.request import Request

SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}, "note": {"type": "string"}}}
RULE: dict[str, Any] = {
    "tool": "transfer",
    "scopes": ["pay"],
    "roles": ["clerk"],
    "schema": SCHEMA,
    "when": "args.amount <= 100",
    "sensitive": {"block": ["card"]},
}
GOOD = {"amount": 12.5, "note": "rent"}
CARD = "4111 1111 1111 1111"


def call(arguments: dict[str, Any] | None = None, *, mode: Any = "body", name: str = "transfer") -> Request:
    return asked("POST", b"/mcp")._replace(operation=Operation("tools/call", name, mode, arguments=arguments))


def judged(rule: dict[str, Any], request: Request, **of_resource: Any) -> Refusal | None:
    """By one rule, whoever selects it."""
    made = resource(rule, kind="mcp", **of_resource)
    token = verified(scopes=("pay",), roles=("clerk",), claims={"sub": "alice", "groups": ["payments"]})
    return demands.unmet(made, made.rules[0], request, token, NOW)


def code(rule: dict[str, Any], request: Request, **of_resource: Any) -> Code | None:
    found = judged(rule, request, **of_resource)
    return None if found is None else found.code


def test_a_call_that_has_all_of_it_passes() -> None:
    assert code(RULE, call(GOOD)) is None


@pytest.mark.parametrize(
    ("arguments", "expected", "detail"),
    [
        ({"amount": "12"}, Code.INVALID_ARGUMENTS, "'/amount' does not fit: type"),
        ({"amount": 1, "memo": 1}, Code.INVALID_ARGUMENTS, "'/' does not fit: unevaluatedProperties"),
        ({"amount": 101}, Code.FORBIDDEN, "when is false"),
        ({}, Code.FORBIDDEN, "when came to an error (a member is absent)"),
        ({"amount": 1, "note": CARD}, Code.INVALID_ARGUMENTS, "the arguments hold what must not be passed on: card"),
        ({"amount": 101, "note": CARD}, Code.FORBIDDEN, "when is false"),
        ({"amount": "x", "note": CARD}, Code.INVALID_ARGUMENTS, "'/amount' does not fit: type"),
    ],
)
def test_the_schema_comes_before_when_and_that_before_what_is_blocked(
    arguments: dict[str, Any], expected: Code, detail: str
) -> None:
    found: Any = judged(RULE, call(arguments))
    assert (found.code, found.detail) == (expected, detail)


def test_what_is_called_without_arguments_is_called_with_none() -> None:
    assert code({"tool": "x", "schema": {"required": ["a"]}}, call(None)) is Code.INVALID_ARGUMENTS
    assert code({"tool": "x", "schema": SCHEMA}, call(None)) is None
    assert code({"tool": "x", "when": "args == {}"}, call(None)) is None


def test_arguments_that_are_not_known_fit_nothing() -> None:
    header = call(None, mode="header")
    assert code({"tool": "x", "schema": {}}, header) is Code.INVALID_ARGUMENTS
    assert code({"tool": "x", "schema": {}}, asked()) is Code.INVALID_ARGUMENTS
    assert code({"tool": "x", "when": "args == args"}, header) is Code.FORBIDDEN
    assert code({"tool": "x", "when": "tool == tool"}, asked()) is Code.FORBIDDEN
    assert code({"tool": "x", "when": "tool == 'transfer' && 'payments' in claims.groups"}, header) is None


@pytest.mark.parametrize(
    ("method", "item", "names"),
    [
        ("tools/call", "x", ("x", "", "")),
        ("prompts/get", "x", ("", "x", "")),
        ("resources/read", "file:///x", ("", "", "file:///x")),
        ("tools/list", None, ("", "", "")),
    ],
)
def test_what_is_called_has_its_name_where_rules_have_it(method: str, item: str | None, names: tuple[str, ...]) -> None:
    request = asked()._replace(operation=Operation(method, item, "body"))
    tool, prompt, uri = names
    when = f"method == '{method}' && tool == '{tool}' && prompt == '{prompt}' && resource == '{uri}'"
    assert code({"mcp": "*", "when": when}, request) is None


def test_a_condition_on_http_reads_the_request_only_as_a_trusted_peer_tells_it() -> None:
    made = resource({"when": "request.method == 'GET' && !request.path.startsWith('/admin')"})
    assert made.constrained
    assert made.has_paths
    assert decided(made, asked("GET", b"/a"), verified()).allowed
    assert decided(made, asked("GET", b"/admin/x"), verified()).code is Code.FORBIDDEN
    assert decided(made, asked("GET", b"/x/../admin"), verified()).code is Code.AMBIGUOUS_PATH
    assert decided(made, asked("GET", b"/a", trusted=False), verified()).code is Code.UNTRUSTED_PEER
    unread = demands.unmet(made, made.rules[0], asked(None, None), verified(), NOW)
    assert unread is not None
    assert unread.code is Code.FORBIDDEN


def test_scopes_and_roles_are_asked_for_first() -> None:
    made = resource({"when": "false", "scopes": ["pay"], "roles": ["clerk"]})
    assert decided(made, asked(), verified()).code is Code.INSUFFICIENT_SCOPE
    assert decided(made, asked(), verified(scopes=("pay",))).detail.startswith("none of the roles")
    assert decided(made, asked(), verified(scopes=("pay",), roles=("clerk",))).detail == "when is false"


def test_a_condition_knows_the_time_that_tokens_are_judged_by() -> None:
    later = int(NOW.wall) + 50
    made = resource({"when": f"now >= timestamp({later})"})
    assert decided(made, asked(), verified()).code is Code.FORBIDDEN
    assert decided(made, asked(), verified(), NOW._replace(wall=NOW.wall + 60)).allowed
    assert decided(made, asked(), verified(), NOW._replace(behind=60.0)).allowed, "a clock that was set back"


@pytest.mark.parametrize("rule", [{"when": "true"}, {"when": "claims.sub == 'alice'"}, {"rate": "5/m"}])
def test_no_answer_to_such_a_rule_is_given_again(rule: dict[str, Any]) -> None:
    assert decided(resource({}), asked(), verified()).reuse is not None
    decision = decided(resource(rule), asked(), verified(), state=State())
    assert decision.allowed
    assert decision.reuse is None


def test_no_answer_is_given_again_where_arguments_are_looked_at() -> None:
    for made in (
        resource({"tool": "x", "schema": SCHEMA}, kind="mcp"),
        resource({"tool": "x", "sensitive": {"block": ["card"]}}, kind="mcp"),
        resource({"tool": "x"}, kind="mcp", sensitive={"block": ["card"]}),
    ):
        assert made.rules[0].particular
        assert not Selected(made.rules[0]).plain
    flagged = resource({"tool": "x", "sensitive": {"flag": ["card"]}}, kind="mcp")
    assert not flagged.rules[0].particular
    bare = resource(kind="mcp", sensitive={"block": ["card"]})
    assert not bare.rules
    found = demands.unmet(bare, None, call({"a": CARD}), verified(), NOW)
    assert found is not None, "what a resource blocks is blocked without rules, too"
    unruled = replace(resource(), sensitive=bare.sensitive)
    assert decided(unruled, asked(), verified()).reuse is None


def test_what_shadow_rules_ask_of_a_call_is_counted() -> None:
    made = resource({"when": "request.path == '/b'", "enforce": "shadow"}, {"path": "/**"})
    assert [found.code for found in decided(made, asked("GET", b"/a"), verified()).would_refuse] == [Code.FORBIDDEN]
    assert decided(made, asked("GET", b"/b"), verified()).would_refuse == ()


def test_a_rule_adds_to_what_its_resource_looks_for_and_the_strictest_counts() -> None:
    made = resource(
        {"tool": "x", "sensitive": {"redact": ["email"], "flag": ["card"], "names": ["diagnosis"]}},
        kind="mcp",
        sensitive={"flag": ["email"], "block": ["card"]},
    )
    watched = made.rules[0].sensitive
    assert watched.blocked({"a": CARD}) == "card"
    assert watched.redacted({"a": "a@b.example", "diagnosis": "x"})[0] == {"a": "[email]", "diagnosis": "[redacted]"}
    assert made.sensitive.redacted({"a": "a@b.example"}) == ({"a": "a@b.example"}, ("email",))


def test_budgets_of_two_rules_are_two_and_of_one_rule_one_whatever_else_changes() -> None:
    rate = {"limit": "30/m", "burst": 5}
    one, other = resource({"path": "/a", "rate": rate}, {"path": "/b", "rate": rate}).rules
    again = resource({"path": "/x"}, {"path": "/a", "rate": rate}).rules[1]
    assert one.rate is not None
    assert one.rate != other.rate
    assert one.rate == again.rate
    assert (one.rate.rate, one.rate.burst, one.rate.exact) == (0.5, 5.0, False)
    assert one.settles
    assert isinstance(select_rule(resource({"path": "/a"}), asked("GET", b"/a")), Selected)


def test_a_call_that_is_read_from_a_body_is_judged_under_the_rule_of_its_tool() -> None:
    made = resource(RULE, {"tool": "*", "when": "tool != 'drop'"}, kind="mcp", gateway="envoy")
    token = verified(scopes=("pay",), roles=("clerk",))

    def comes_to(request: Request) -> Code | None:
        decision = decided(made, request, token)
        assert decision.reuse is None
        return decision.code

    assert comes_to(call(GOOD)) is None
    assert comes_to(call(GOOD | {"amount": "x"})) is Code.INVALID_ARGUMENTS
    assert comes_to(call(GOOD | {"amount": 101})) is Code.FORBIDDEN
    assert comes_to(call(GOOD | {"note": CARD})) is Code.INVALID_ARGUMENTS
    assert comes_to(call({}, name="other")) is None
    assert comes_to(call({}, name="drop")) is Code.FORBIDDEN
