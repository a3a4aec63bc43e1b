"""Which rule decides what is asked of an MCP server."""

from __future__ import annotations

from typing import Any

import pytest
from support.policies import AUDIENCE, GENERATION, ISSUER, asked, decided, resource, verified

from bearerd.config.model import Config
from bearerd.mcp.operation import Misread, Operation
from bearerd.policy.resource import Policy, Resource
from bearerd.policy.rules import Selected, select_rule
from bearerd.refusals import Code, Refusal

RULES: tuple[dict[str, Any], ...] = (
    {"preflight": True},
    {"tool": ["get_*", "search"], "scopes": ["read"]},
    {"tool": "drop", "scopes": ["admin"]},
    {"resource": "file:///srv/secret", "scopes": ["admin"]},
    {"resource": "file:///srv/**"},
    {"mcp": ["logging/setLevel", "acme/*", "GET"], "scopes": ["admin"]},
)


def server(*rules: dict[str, Any], **table: Any) -> Resource:
    return resource(*rules, kind="mcp", gateway="envoy", **table)


def call(method: str, name: str | None = None, version: str | None = "2025-11-25") -> Operation:
    return Operation(method, name, "body", version, {})


def found(made: Resource, operation: Operation | None, http: str = "POST", **more: Any) -> Selected:
    chosen = select_rule(made, asked(http, b"/mcp")._replace(operation=operation, **more))
    assert isinstance(chosen, Selected)
    return chosen


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        (call("tools/call", "get_note"), 1),
        (call("tools/call", "drop"), 2),
        (call("resources/read", "file:///srv/secret"), 3),
        (call("resources/read", "file:///srv/a/b"), 4),
        (call("logging/setLevel"), 5),
        (call("acme/anything"), 5),
        (call("GET"), 5),
        (call("tools/list"), None),
        (call("initialize", version=None), None),
        (call("DELETE"), None),
        (call("response"), None),
        (call("notifications/cancelled"), None),
        (call("server/discover", version="2026-07-28"), None),
    ],
)
def test_a_rule_selects_or_none_is_needed(operation: Operation, rule: int | None) -> None:
    chosen = found(server(*RULES), operation)
    assert (chosen.index, chosen.refusal, chosen.plain) == (rule, None, True)


@pytest.mark.parametrize("method", ["Tools/Call", "tools/call ", "tools/\uff43all", "RESOURCES/READ", "prompts/Get"])
def test_another_spelling_of_a_method_that_names_an_item_is_nobodys_whatever_mcp_selects(method: str) -> None:
    chosen = found(server({"mcp": "*"}, {"mcp": method}), call(method))
    assert chosen.refusal is not None
    assert chosen.refusal.code is Code.AMBIGUOUS_PATH


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (call("tools/call", "put"), Code.FORBIDDEN),
        (call("prompts/get", "get_note"), Code.FORBIDDEN),  # there are rules, and none is about prompts
        (call("resources/read", "file:///etc/passwd"), Code.FORBIDDEN),
        (call("tools/destroy"), Code.FORBIDDEN),
        (call("server/discover"), Code.FORBIDDEN),  # not of that version
        (call("ping", version="2026-07-28"), Code.FORBIDDEN),
        (call("GET", version="2026-07-28")._replace(method="DELETE"), Code.FORBIDDEN),
        (call("tools/call", "get_note\0"), Code.AMBIGUOUS_PATH),
        (call("prompts/get", "drop\u200b"), Code.AMBIGUOUS_PATH),
        (call("resources/read", "file:///srv/../etc"), Code.AMBIGUOUS_PATH),
        (call("resources/read", "file:///srv/%73ecret"), Code.AMBIGUOUS_PATH),
        (call("resources/read", "file:///srv/SECRET"), Code.AMBIGUOUS_PATH),
        (call("resources/read", "file:///srv/secret?x"), Code.AMBIGUOUS_PATH),
        (None, Code.BAD_REQUEST),
    ],
)
def test_what_no_rule_selects_is_denied_to_whoever_has_shown_a_token(operation: Operation | None, code: Code) -> None:
    made = server(*RULES)
    chosen = found(made, operation)
    assert chosen.rule is None
    assert chosen.refusal is not None
    assert chosen.refusal.code is code
    request = asked("POST", b"/mcp")._replace(operation=operation)
    assert decided(made, request, verified(scopes=("read", "admin"))).code is code
    assert decided(made, request, None).code is Code.MISSING_TOKEN


def test_a_glob_of_methods_opens_no_item() -> None:
    made = server({"mcp": "*"})
    assert found(made, call("anything/else")).index == 0
    for method in ("tools/call", "resources/read", "prompts/get"):
        assert found(made, call(method, "x:y")).refusal is not None


def test_a_server_without_rules_is_asked_only_for_its_scopes() -> None:
    for rules in ((), ({"preflight": True},)):
        made = server(*rules, scopes=["mcp"])
        assert not made.reads_operations
        assert decided(made, asked("POST", b"/mcp"), verified(scopes=("mcp",))).allowed
        assert decided(made, asked("POST", b"/mcp"), verified()).code is Code.INSUFFICIENT_SCOPE


def test_what_could_not_be_read_is_refused_as_it_says() -> None:
    misread = Misread(Refusal(Code.REQUEST_MISMATCH), "body", -32020)
    chosen = found(server(*RULES), None, misread=misread)
    assert chosen.refusal is misread.refusal


@pytest.mark.parametrize("http", ["PUT", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_of_http_are_denied(http: str) -> None:
    refusal = found(server(*RULES), None, http).refusal
    assert refusal is not None
    assert refusal.code is Code.FORBIDDEN


def test_a_preflight_passes_by_its_rule() -> None:
    headers = ((b"Origin", b"https://a.example"), (b"Access-Control-Request-Method", b"POST"))
    assert decided(server(*RULES, origins=["https://a.example"]), asked("OPTIONS", b"/mcp", *headers)).allowed


def test_a_shadow_rule_about_tools_is_counted_and_decides_nothing() -> None:
    made = server({"tool": "*", "scopes": ["admin"], "enforce": "shadow"}, {"tool": "*"})
    request = asked("POST", b"/mcp")._replace(operation=call("tools/call", "x"))
    decision = decided(made, request, verified())
    assert decision.allowed
    assert [entry.code for entry in decision.would_refuse] == [Code.INSUFFICIENT_SCOPE]
    assert decision.reuse is None


def reviewed(*rules: dict[str, Any]) -> Resource:
    table = {"identifier": AUDIENCE, "kind": "mcp", "gateway": "envoy", "rule": rules}
    tools = {"api": {"tools": {"read": False, "drop": True}, "digests": {}, "id": "1"}}
    config = Config.model_validate({"issuer": [{"issuer": ISSUER}], "resource": {"api": table}, "reviewed": tools})
    return Policy(config, GENERATION).resources["api"]


@pytest.mark.parametrize(
    ("rule", "read", "drop"),
    [
        ({"tool": "*"}, False, True),
        ({"tool": "*", "confirm": False}, False, False),
        ({"tool": "*", "confirm": True}, True, True),
        ({"tool": "*", "confirm": "other"}, "other", "other"),
    ],
)
def test_a_destructive_tool_is_confirmed_unless_the_rule_says_otherwise(rule: Any, read: Any, drop: Any) -> None:
    made = reviewed({"prompt": "x"}, rule)
    for name, confirm in (("read", read), ("drop", drop)):
        chosen = found(made, call("tools/call", name))
        assert chosen.rule is not None
        assert (chosen.index, chosen.rule.confirm, chosen.rule.settles) == (1, confirm, bool(confirm))


def test_a_tool_that_nobody_has_reviewed_is_refused_whatever_the_rules_say() -> None:
    refusal = found(reviewed({"tool": "*", "confirm": False}), call("tools/call", "new")).refusal
    assert refusal is not None
    assert refusal.code is Code.UNREVIEWED_TOOL


def test_tokens_of_a_server_live_for_an_hour_and_a_half_at_most() -> None:
    made = server()
    assert decided(made, asked("POST"), verified(issued_at=1_000_000 - 5_000, expires_at=1_000_000 + 500)).code is (
        Code.TOO_LONG_LIVED
    )
    assert server(max_lifetime="3h").max_lifetime == 3 * 3600
