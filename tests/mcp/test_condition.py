"""``when``: true is yes; false, an error, anything else and a spent budget are no."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd.mcp import condition
from bearerd.mcp.condition import BadCondition, compiled, moment

KNOWN: dict[str, Any] = {
    "claims": {"sub": "alice", "groups": ["staff", "payments"], "level": 3},
    "request": {"method": "POST", "path": "/mcp", "host": "api.example"},
    "now": moment(1_780_000_000.0),
    "args": {"amount": 12.5, "to": "DE89", "tags": ["a", "b"], "big": 2**63},
    "method": "tools/call",
    "tool": "transfer",
    "prompt": "",
    "resource": "",
}


def fault(text: str, **changes: Any) -> str | None:
    known = {name: value for name, value in (KNOWN | changes).items() if value is not ...}
    return compiled(text, "mcp").fault(known)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "args.amount <= 100 && 'payments' in claims.groups",
        "tool == 'transfer' && method == 'tools/call' && prompt == ''",
        "args.tags.all(tag, tag.size() == 1)",
        "claims.level >= 3 && claims.level < 3.5",
        "now > timestamp('2026-01-01T00:00:00Z') && now.getHours('Europe/Berlin') >= 0",
        "request.method == 'POST' && request.path.startsWith('/mcp')",
        "args.big > 9223372036854775807",
        "!has(args.dry_run) || args.dry_run",
        "args.to.matches('^[A-Z]{2}[0-9]{2}$')",
    ],
)
def test_what_is_true_holds(text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("args.amount > 100", "when is false"),
        ("args.absent == 1", "when came to an error (a member is absent)"),
        ("args.absent != 1", "when came to an error (a member is absent)"),
        ("!(args.amount.startsWith('x'))", "when came to an error (a value of another type)"),
        ("args.amount", "when is neither true nor false"),
        ("args.to", "when is neither true nor false"),
        ("args.to.matches('(')", "when came to an error (see docs/arguments.md)"),
    ],
)
def test_what_is_not_true_does_not_hold(text: str, told: str) -> None:
    assert fault(text) == told


@pytest.mark.parametrize("odd", [1, "true", None, [], {}, 2**64, "\ud800"])
def test_only_true_is_true(odd: object) -> None:
    assert fault("args.flag", args={"flag": odd}) is not None
    assert fault("args.flag", args={"flag": True}) is None


@pytest.mark.parametrize("name", ["args", "request", "claims", "tool"])
def test_what_is_not_known_does_not_hold(name: str) -> None:
    text = f"{name} == {name}"
    assert fault(text) is None
    assert fault(text, **{name: ...}) == "when came to an error (something is not known of this request)"


def test_a_condition_may_do_without_what_is_not_known() -> None:
    assert fault("claims.level == 3 || args.amount < 1", args=...) is None


@pytest.mark.parametrize(
    "text",
    [
        "args.l.all(x, args.l.all(y, true))",
        "args.l.exists(x, args.l.exists(y, args.l.exists(z, x + y + z < 0)))",
        "args.l.map(x, args.l.map(y, x)).size() > 0",
    ],
)
def test_the_budget_ends_what_would_not(text: str) -> None:
    assert fault(text, args={"l": list(range(1000))}) == "when could not be judged (the budget is spent)"


def test_a_hostile_pattern_meets_a_hostile_value_in_linear_time() -> None:
    assert fault("args.s.matches('^(a+)+$')", args={"s": "a" * 50_000 + "b"}) == "when is false"


def test_no_error_quotes_a_value() -> None:
    for text in (
        "args.s == 1 || args.s.size() > 100",
        "int(args.s) == 1",
        "timestamp(args.s) < now",
        "duration(args.s) > duration('1s')",
    ):
        told = fault(text, args={"s": "hunter2"})
        assert told is not None
        assert "hunter2" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("args.amount <", "line 1, column 14: Syntax error"),
        ("true &&\n nosuch", "line 2, column 2: undeclared reference to 'nosuch'"),
        ("1", "comes to INT"),
        ("'a'.lowerAscii() == 'a'", "undeclared reference"),
        ("tool + 1 == 2", "no matching overload"),
        ("[" * 200 + "]" * 200 + " == []", "recursion"),
        ("true" + " " * condition.LONGEST, "longer than"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(BadCondition, match=told) as raised:
        compiled(text, "mcp")
    assert raised.value.remedy


def test_a_condition_on_http_knows_no_tool_and_no_arguments() -> None:
    assert compiled("request.path == '/mcp'", "http").fault(KNOWN) is None
    for text in ("args.amount == 1", "tool == 'x'", "method == 'GET'"):
        with pytest.raises(BadCondition, match="undeclared"):
            compiled(text, "http")


@pytest.mark.parametrize(
    ("text", "args", "request_"),
    [
        ("claims.sub == 'alice'", False, False),
        ("args.amount < 1", True, False),
        ("has(args.x)", True, False),
        ("claims.args == 1", False, False),
        ("claims.groups.exists(args, args == 'x')", False, False),
        ("{'args': 1}.args == 1", False, False),
        ("dyn(args) == 1 || request.host == ''", True, True),
        ("'args' == 'request'", False, False),
        ("true || args.x", True, False),
    ],
)
def test_what_a_condition_reads_is_known_at_load(text: str, args: bool, request_: bool) -> None:
    found = compiled(text, "mcp")
    assert (found.reads_args, found.reads_request) == (args, request_)


@pytest.mark.parametrize(
    "text",
    [
        "args.l.filter(x, x > 0).size() >= 0",
        "args.l.map(x, x).size() >= 0",
        "args.l.all(x, x in args.l)",
        "!args . l . exists_one ( x , x == -1 )",
    ],
)
def test_a_loop_is_for_few_arguments(text: str) -> None:
    """A step costs what it does to them: with 9,000 values ``filter`` took 9 seconds, and nobody else was answered."""
    few, many = list(range(condition.MOST_LOOPED - 2)), list(range(condition.MOST_LOOPED - 1))
    assert fault(text, args={"l": few}) is None
    for arguments in ({"l": many}, {"l": [1], "o": {"deep": [{}] * len(many)}}):
        assert fault(text, args=arguments) == (
            "when could not be judged (more than 1024 values, or 65536 characters, for a loop)"
        )


def test_a_loop_is_for_few_characters() -> None:
    text = "args.l.all(x, x < args.t.size())"
    short, long = "x" * condition.MOST_LOOPED_TEXT, "x" * (condition.MOST_LOOPED_TEXT + 1)
    assert fault(text, args={"l": [1], "t": short[2:]}) is None
    assert "for a loop" in str(fault(text, args={"l": [1], "t": long}))
    assert "for a loop" in str(fault(text, args={"l": [1], "t": "", long: 1}))


def test_a_condition_without_a_loop_or_without_arguments_is_for_all_of_them() -> None:
    many = {"l": list(range(30_000)), "t": "x" * 500_000}
    assert fault("args.l.size() == 30000 && 5 in args.l", args=many) is None
    assert fault("claims.groups.exists(one, one == 'staff')", args=many) is None
