"""What a tool's arguments must fit: strict where the specification is lax, and never a way out of this machine."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd.mcp import schema
from bearerd.mcp.vocabulary import MOST_CHECKS, BadSchema

TRANSFER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}$"},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
        "when": {"type": "string", "format": "date"},
        "note": {"enum": ["rent", "loan"]},
    },
    "required": ["to", "amount"],
}
GOOD: dict[str, Any] = {"to": "DE89370400440532013000", "amount": 12.5}
SECRET = "hunter2-hunter2"


def fault(document: dict[str, Any], arguments: dict[str, Any]) -> str | None:
    return schema.of(document).fault(arguments)


def bad(document: dict[str, Any]) -> BadSchema:
    with pytest.raises(BadSchema) as raised:
        schema.of(document)
    return raised.value


def test_arguments_that_fit_pass() -> None:
    assert fault(TRANSFER, GOOD) is None
    assert fault(TRANSFER, GOOD | {"when": "2026-11-25", "note": "rent"}) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"amount": SECRET}, "'/amount' does not fit: type"),
        ({"amount": True}, "'/amount' does not fit: type"),
        ({"amount": 1000.01}, "'/amount' does not fit: maximum"),
        ({"to": SECRET}, "'/to' does not fit: pattern"),
        ({"note": SECRET}, "'/note' does not fit: enum"),
        ({"when": SECRET}, "'/when' does not fit: format"),
        ({"memo": SECRET}, "'/' does not fit: unevaluatedProperties"),
    ],
)
def test_what_does_not_fit_is_told_by_place_and_keyword_and_never_by_value(change: dict[str, Any], told: str) -> None:
    assert fault(TRANSFER, GOOD | change) == told


def test_a_member_that_the_schema_says_nothing_of_is_refused_unless_it_says_that_any_may_be_there() -> None:
    assert fault(TRANSFER, GOOD | {"memo": 1}) is not None
    assert fault(TRANSFER | {"additionalProperties": True}, GOOD | {"memo": 1}) is None
    assert fault(TRANSFER | {"unevaluatedProperties": {"type": "integer"}}, GOOD | {"memo": 1}) is None
    joined = {"allOf": [{"properties": {"a": {}}}, {"$ref": "#/$defs/b"}], "$defs": {"b": {"properties": {"b": {}}}}}
    assert fault(joined, {"a": 1, "b": 1}) is None, "what is spoken of anywhere at the top counts"
    assert fault(joined, {"a": 1, "c": 1}) is not None


@pytest.mark.parametrize(
    "reference", ["https://example.com/s.json", "http://127.0.0.1:1/x", "file:///etc/passwd", "other.json", "urn:x"]
)
@pytest.mark.parametrize("within", [False, True])
def test_a_reference_out_of_the_schema_is_an_error_at_load(reference: str, within: bool) -> None:
    inner = {"$ref": reference}
    error = bad({"properties": {"a": {"items": inner}}} if within else inner)
    assert error.place == ("/properties/a/items/$ref" if within else "/$ref")


def test_a_name_for_the_whole_does_not_make_references_leave_it() -> None:
    told = {
        "$id": "https://example.com/s",
        "$defs": {"x": {"type": "string"}},
        "properties": {"a": {"$ref": "#/$defs/x"}},
    }
    assert fault(told, {"a": "b"}) is None
    assert fault(told, {"a": 1}) is not None
    assert bad({"$defs": {"x": {"$id": "https://example.com/s"}}}).place == "/$defs/x/$id"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"requird": ["a"]}, "/requird"),
        ({"properties": {"a": {"typ": "string"}}}, "/properties/a/typ"),
        ({"properties": {"a": {"type": "strng"}}}, "/properties/a/type"),
        ({"properties": {"a": {"format": "nosuch"}}}, "/properties/a/format"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"$dynamicRef": "#x"}, "/$dynamicRef"),
        ({"$ref": "#/$defs/absent"}, "/$ref"),
        ({"$ref": "#absent"}, "/$ref"),
        ({"properties": {"a": 1}}, "/properties/a"),
        ({"maximum": float("inf")}, "/maximum"),
    ],
)
def test_what_would_be_ignored_or_misread_is_an_error_at_its_place(document: dict[str, Any], place: str) -> None:
    assert bad(document).place == place


@pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\1", "((a{1,100}){1,100}){1,100}"])
def test_a_pattern_that_needs_backtracking_or_much_memory_is_an_error(pattern: str) -> None:
    assert "linear time" in str(bad({"properties": {"a": {"pattern": pattern}}}))


def test_a_hostile_pattern_meets_a_hostile_value_in_linear_time() -> None:
    # With backtracking this would outlive whoever waits for it.
    assert fault({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 50_000 + "b"}) is not None


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"n": value}
    return value


def test_a_schema_of_itself_is_answered_without_unfolding_the_arguments() -> None:
    branches = [
        {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}, "maxProperties": n} for n in (2, 3, 4)
    ]
    deep = fault({"anyOf": [*branches, {"type": "string"}], "additionalProperties": True}, nested(16))
    assert deep == "the arguments do not fit the schema"  # 3^16 reasons; the one that is told is none of them


def test_references_that_multiply_are_an_error() -> None:
    doubling: dict[str, Any] = {
        f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}]}]}
        for n in range(40)
    }
    error = bad({"$defs": doubling | {"a40": {"type": "string"}}, "$ref": "#/$defs/a0"})
    assert f"at most {MOST_CHECKS}" in error.remedy


def test_schemas_are_bounded_in_depth_and_size() -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"properties": {"a": deep}}
    assert "too deeply" in str(bad(deep))
    with pytest.raises(BadSchema, match="longer"):
        schema.parsed(b'{"description":"' + b"x" * schema.MOST_BYTES + b'"}')
    for text in (b"[]", b"true", b"{", b"\xff"):
        with pytest.raises(BadSchema):
            schema.parsed(text)


@pytest.mark.parametrize(
    "items",
    [{"oneOf": [{"const": number} for number in range(250)]}, {"enum": [{"code": number} for number in range(250)]}],
)
def test_many_values_are_not_held_against_many_alternatives(items: dict[str, Any]) -> None:
    """Each against each: with 30,000 values and 250 countries nobody else was answered for nine seconds."""
    document = {"type": "object", "properties": {"codes": {"type": "array", "items": items}}}
    value = {"code": 249} if "enum" in items else 249
    few, many = [value] * 900, [value] * 2000
    assert fault(document, {"codes": few}) is None
    assert fault(document, {"codes": many}) == (
        "the arguments could not be held against the schema (too many values for as many checks)"
    )
    assert fault({"type": "object", "properties": {"codes": {"type": "array"}}}, {"codes": [value] * 30_000}) is None


def test_of_a_schema_without_alternatives_each_value_meets_a_few_checks_however_wide_it_is() -> None:
    row = {"type": "object", "properties": {f"column{number}": {"type": "integer"} for number in range(300)}}
    listed = {"enum": [f"country {number}" for number in range(250)]}
    document = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}, "where": {"type": "array", "items": listed}},
    }
    rows = [{f"column{number}": 1 for number in range(10)}] * 2000
    assert fault(document, {"rows": rows, "where": ["country 249"] * 5000}) is None
    named = {**document, "$defs": {"row": row}}
    named["properties"] = {"rows": {"type": "array", "items": {"$ref": "#/$defs/row"}}}
    assert fault(named, {"rows": rows}) is None
    named["properties"] = {"rows": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/row"}, {"type": "null"}]}}}
    assert fault(named, {"rows": rows[:100]}) is None
    assert fault(named, {"rows": rows}) is not None  # of alternatives, all of each may be for one value


def test_the_place_that_is_told_is_cut_short() -> None:
    told = fault({"additionalProperties": {"type": "integer"}}, {"x" * 10_000: "a"})
    assert told is not None
    assert len(told) < 300


def test_a_panic_of_the_library_is_no_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As Rust's come to Python."""

    class Broken:
        def is_valid(self, _: object) -> bool:
            raise Panic

    made = schema.Schema(TRANSFER)
    object.__setattr__(made, "_checked", Broken())
    assert made.fault(GOOD) == "the arguments could not be held against the schema (Panic)"
