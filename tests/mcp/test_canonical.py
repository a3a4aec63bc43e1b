"""Canonical arguments: RFC 8785's own examples, and that nothing different ever looks the same."""

from __future__ import annotations

import hashlib
import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.mcp.canonical import NotCanonical, canonical, digest

# RFC 8785 appendix B: the bits of a double, and how it is written.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]

# Beyond 2^53 a whole double is written as an integer that no reader need keep: it has a form, but not from that text.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(("bits", "written"), NUMBERS, ids=[written for _, written in NUMBERS])
def test_numbers_are_written_as_ecmascript_writes_them(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical({"n": number}) == f'{{"n":{written}}}'.encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 2**53, -(2**53), 2**64])
def test_a_number_that_some_reader_would_round_has_no_canonical_form(number: float) -> None:
    with pytest.raises(NotCanonical) as raised:
        canonical({"n": [number]})
    assert str(number) not in str(raised.value), "what it met is not told: it may be a secret"
    assert raised.value.__cause__ is None


def test_strings_and_literals_are_written_as_the_rfc_shows() -> None:
    text = rb"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    told = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(orjson.loads(text)) == told.encode()


def test_members_are_sorted_by_utf_16_and_not_by_code_point() -> None:
    text = rb"""{"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7}"""
    told = '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"\U0001f600":5,"\ufb33":3}'
    assert canonical(orjson.loads(text)) == told.encode()


@pytest.mark.parametrize("odd", [{"a": "\ud800"}, {"\udfff": 1}, {1: 1}, {"a": b"x"}, {"a": {1, 2}}])
def test_what_is_not_json_has_no_canonical_form(odd: dict[str, object]) -> None:
    with pytest.raises(NotCanonical):
        canonical(odd)


def test_what_is_nested_without_end_is_refused_and_not_a_fault() -> None:
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(NotCanonical, match="deeply"):
        canonical(deep)


def test_no_arguments_are_the_empty_object() -> None:
    assert canonical(None) == canonical({}) == b"{}"
    assert digest(None) == hashlib.sha256(b"{}").hexdigest()


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON))
def test_the_form_reads_as_what_it_was_made_of_and_is_its_own_form(arguments: dict[str, object]) -> None:
    form = canonical(arguments)
    again = orjson.loads(form)
    assert again == arguments
    assert canonical(again) == form
    assert canonical(dict(reversed(arguments.items()))) == form


@given(st.tuples(JSON, JSON))
def test_two_values_have_one_digest_only_where_they_are_equal(pair: tuple[object, object]) -> None:
    one, other = ({"a": value} for value in pair)
    same = digest(one) == digest(other)
    assert same == (orjson.loads(canonical(one)) == orjson.loads(canonical(other)) and _kinds(one) == _kinds(other))


def _kinds(value: object) -> object:
    """The value with its kind beside it: 1 and True are equal to Python, and are not one to anybody else."""
    if isinstance(value, dict):
        return {name: _kinds(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_kinds(member) for member in value]
    return (isinstance(value, bool), value)
