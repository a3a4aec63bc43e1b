"""What header fields say of an operation: once, exactly, and never what another reader could take for something else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.mcp import fields

METHOD = (b"Mcp-Method", b"tools/call")


def sentinel(name: str) -> bytes:
    return b"=?base64?" + base64.b64encode(name.encode()) + b"?="


@given(st.text(min_size=1, max_size=200))
def test_every_name_comes_back_from_its_base64(name: str) -> None:
    assert fields.read([METHOD, (b"mcp-NAME", sentinel(name))]).name == name


@pytest.mark.parametrize("name", ["get_note", "file:///a,b", "two words", "=?base64?x", "x?="])
def test_a_plain_name_is_itself(name: str) -> None:
    assert fields.read([(b"Mcp-Name", name.encode())]).name == name


@pytest.mark.parametrize(
    "value",
    [
        b"=?base64?YQ?=",
        b"=?base64?YR==?=",
        b"=?base64?Y Q==?=",
        b"=?base64?_w==?=",
        b"=?base64?/w==?=",
        b"=?base64??=",
        b"",
        b"caf\xc3\xa9",
        b"a\x7f",
        b"a\tb",
        b"x" * 2049,
        sentinel("x" * 2049),
    ],
)
def test_a_name_that_is_not_written_in_the_one_way_is_a_fault(value: bytes) -> None:
    found = fields.read([METHOD, (b"Mcp-Name", value)])
    assert found.fault
    assert found.name is None


@pytest.mark.parametrize("field", [b"Mcp-Method", b"Mcp-Name", b"MCP-Protocol-Version"])
@pytest.mark.parametrize("spelled", [b"-", b"_", b".", b"~"])
def test_a_second_field_is_a_fault_however_it_is_spelled(field: bytes, spelled: bytes) -> None:
    other = (field.replace(b"-", spelled).upper(), b"x")
    assert fields.read([(field, b"x"), other]).fault
    assert fields.read([other, (field, b"x")]).fault
    assert bool(fields.read([other]).fault) == (spelled != b"-")


@pytest.mark.parametrize("value", [b"", b"tools call", b"tools/call, tools/list", b"x" * 129, b"caf\xc3\xa9"])
def test_what_is_no_method_is_a_fault(value: bytes) -> None:
    assert fields.read([(b"Mcp-Method", value)]).fault


def test_a_comma_is_a_fault_only_where_fields_are_joined() -> None:
    assert fields.read([(b"Mcp-Name", b"safe,drop")], joined=True).fault
    assert fields.read([(b"Mcp-Name", sentinel("safe,drop"))], joined=True).name == "safe,drop"
    assert fields.read([(b"Mcp-Name", sentinel("a") + b"," + sentinel("b"))], joined=True).fault
