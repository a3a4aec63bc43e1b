"""Body mode: one reading, or none; and headers that are there say the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.limits import Limits
from bearerd.mcp import body, errors
from bearerd.mcp.operation import Misread, Operation
from bearerd.refusals import Code

LIMITS = Limits()
JSON = (b"Content-Type", b"application/json")
VERSION = (b"MCP-Protocol-Version", b"2026-07-28")
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
OLD = (b"MCP-Protocol-Version", b"2025-11-25")


def message(method: Any = "tools/call", params: Any = ..., **members: Any) -> bytes:
    found = {"name": "get_note", "arguments": {"id": 7}} if params is ... else params
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": found} | members)


def read(sent: bytes | None, *fields: tuple[bytes, bytes], http: str = "POST", **more: Any) -> Any:
    return body.read(http, [JSON, *fields], sent, LIMITS, **more)


def refused(sent: bytes | None, *fields: tuple[bytes, bytes], **more: Any) -> tuple[Code, int]:
    found = read(sent, *fields, **more)
    assert isinstance(found, Misread)
    return found.refusal.code, found.error


INVALID = (Code.BAD_REQUEST, errors.INVALID_REQUEST)
UNPARSED = (Code.BAD_REQUEST, errors.PARSE_ERROR)
MISMATCH = (Code.REQUEST_MISMATCH, errors.HEADER_MISMATCH)


def test_a_call_is_read_with_its_arguments_and_id() -> None:
    assert read(message(), OLD) == Operation("tools/call", "get_note", "body", "2025-11-25", {"id": 7}, 1, {})


def test_a_message_of_the_first_version_says_none() -> None:
    assert read(message("ping", {}, id="a")) == Operation("ping", None, "body", None, None, "a", {})
    assert read(message("resources/read", {"uri": "file:///x"})).name == "file:///x"
    assert read(orjson.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})).id is None


@pytest.mark.parametrize(
    "number",
    [
        "12345678901234567891.0",
        "9007199254740993.0",
        "9007199254740993e0",
        "-900719925474099.3e1",
        "10000000000000000000001.0",
        "100000000000000000000.5",
        "1." + "0" * 500,
    ],
)
def test_an_integer_that_is_written_as_a_float_is_not_read_as_its_neighbour(number: str) -> None:
    sent = message(params={"name": "pay", "arguments": {"to": [0]}}).replace(b"[0]", f"[{number}]".encode())
    assert refused(sent, OLD) == UNPARSED


@pytest.mark.parametrize("number", ["9007199254740992.0", "1.2345678901234567e+19", "1e22", "1e300"])
def test_a_float_that_is_the_double_that_is_read_stays(number: str) -> None:
    sent = message(params={"name": "pay", "arguments": {"to": [0]}}).replace(b"[0]", f"[{number}]".encode())
    assert read(sent, OLD).arguments == {"to": [float(number)]}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_as_it_is_commonly_written_stays(number: float) -> None:
    assert read(message(params={"name": "pay", "arguments": {"to": number}}), OLD).arguments == {"to": number}


@pytest.mark.parametrize("item", ["0", "[]", "{}", '{"a":0}', '[[","]]'])
def test_no_more_values_are_read_than_may_be_however_they_are_nested(item: str) -> None:
    few, most = Limits(max_mcp_values=256), 256
    sent = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[%s]}}'
    for count, good in ((40, True), (most, False)):
        found = body.read("POST", [JSON, OLD], sent % ",".join([item] * count).encode(), few)
        assert isinstance(found, Operation) is good, count


def test_what_stands_within_strings_is_no_value() -> None:
    text = 'a,b[c{d}] "quoted, \\", ' * 10_000
    assert read(message(params={"name": "pay", "arguments": {"text": text}}), OLD).arguments == {"text": text}


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1, 1.5e300, "9" * 40, 0.1234567890123456789])
def test_a_long_number_that_is_read_as_it_is_stays(number: Any) -> None:
    assert read(message(params={"name": "pay", "arguments": {"to": number}}), OLD).arguments == {"to": number}


@pytest.mark.parametrize(
    "sent",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","n\\u0061me":"drop"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":{"b":1,"b":2}}}}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}',
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"),
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b"\x00",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":18446744073709551616}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":[-9223372036854775809]}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":1'
        + b"0" * 5000
        + b"}}}",
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_not_read(sent: bytes) -> None:
    assert refused(sent, OLD) == UNPARSED


@pytest.mark.parametrize(
    "sent",
    [
        b"[]",
        b" [" + message() + b"]",
        message(jsonrpc="1.0"),
        message(id=None),
        message(id=True),
        message(id=1.5),
        message(id=[1]),
        message(method=None),
        message(method="GET"),
        message(method="response"),
        message(method="tools/call\n"),
        message(params=[]),
        message(params={"name": "x", "Name": "drop"}),
        message(params={"name": "x", "argument\u017f": {}}),
        message(params={"name": "x", "arguments": [1]}),
        message(params={"name": "x", "_meta": "x"}),
        message(Method="tools/list"),
        message(result={}),
        b"",
        None,
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b'{"jsonrpc":"2.0","id":1}',
        message(params={"name": "x", "arguments": {"a": "x" * LIMITS.max_mcp_body_bytes}}),
    ],
    ids=lambda sent: repr(sent)[:60],
)
def test_what_is_not_one_message_is_refused(sent: bytes | None) -> None:
    assert refused(sent, OLD) == INVALID


def test_a_body_that_is_too_long_is_not_told_as_one_that_was_not_sent() -> None:
    """Faces read no more than the limit of one, and hand on none."""
    lost, empty = (read(sent, OLD).refusal.detail for sent in (None, b""))
    assert f"more than {LIMITS.max_mcp_body_bytes} bytes" in lost
    assert empty == "no body arrived: the gateway must send it along"


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 40, "-" + "9" * 300, "9" * 5000]
)
@pytest.mark.parametrize("where", [b'"arguments":{"a":[%s]}', b'"x":%s'])
def test_an_integer_that_would_be_rounded_is_not_read(number: str, where: bytes) -> None:
    params = b'{"name":"x",%s}' % (where % number.encode())
    assert refused(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}' % params, OLD) == UNPARSED


def test_digits_that_are_no_such_integer_are_read_as_they_stand() -> None:
    said = {"most": 2**64 - 1, "least": -(2**63), "text": "9" * 50, "float": 1e30, "fraction": 0.12345678901234567890}
    assert read(message(params={"name": "x", "arguments": said}), OLD).arguments == said
    number = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":1000000000000000.00000000000000000001}}}'
    assert read(number, OLD).arguments == {"a": 1e15}


@pytest.mark.parametrize("params", [{}, {"name": ""}, {"name": 7}, {"name": "x" * 3000}, {"uri": "x"}])
def test_an_item_without_a_name_is_refused(params: dict[str, Any]) -> None:
    assert refused(message(params=params), OLD) == (Code.BAD_REQUEST, errors.INVALID_PARAMS)


@pytest.mark.parametrize(
    "field",
    [
        (b"X-Envoy-Auth-Partial-Body", b"true"),
        (b"Content-Encoding", b"gzip"),
        (b"Content-Type", b"application/json"),
        (b"Content_Type", b"application/json; charset=utf-7"),
        (b"content.encoding", b"identity"),
    ],
)
def test_a_part_of_a_body_or_an_encoded_one_is_refused(field: tuple[bytes, bytes]) -> None:
    assert refused(message(), OLD, field) == INVALID


@pytest.mark.parametrize("kind", [b"text/plain", b"application/json; charset=utf-7", b"application/json; x=y", b""])
def test_a_body_that_the_server_may_decode_otherwise_is_refused(kind: bytes) -> None:
    found = body.read("POST", [(b"Content-Type", kind), OLD], message(), LIMITS)
    assert isinstance(found, Misread)
    assert isinstance(body.read("POST", [OLD], message(), LIMITS), Misread)


def test_the_current_version_is_read_where_everything_says_the_same() -> None:
    params = {"name": "get_note", "_meta": META | {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}}
    named = (b"Mcp-Name", b"=?base64?Z2V0X25vdGU=?=")
    found = read(message(params=params), VERSION, (b"Mcp-Method", b"tools/call"), named)
    assert found == Operation("tools/call", "get_note", "body", "2026-07-28", {}, 1, {"elicitation": {}})


CURRENT = {"name": "get_note", "_meta": META}
FIELDS = (VERSION, (b"Mcp-Method", b"tools/call"), (b"Mcp-Name", b"get_note"))


@pytest.mark.parametrize("left_out", range(3))
def test_the_current_version_needs_all_three_fields(left_out: int) -> None:
    assert refused(message(params=CURRENT), *FIELDS[:left_out], *FIELDS[left_out + 1 :]) == MISMATCH


@pytest.mark.parametrize("version", [VERSION, OLD])
@pytest.mark.parametrize(
    "other", [(b"Mcp-Method", b"tools/list"), (b"Mcp-Name", b"drop"), (b"mcp_name", b"get_note"), FIELDS[2]]
)
def test_a_field_that_says_another_thing_is_a_mismatch_in_any_version(
    version: tuple[bytes, bytes], other: tuple[bytes, bytes]
) -> None:
    params = CURRENT if version is VERSION else {"name": "get_note"}
    rest = [field for field in FIELDS[1:] if field[0] != other[0] or field is other]
    assert refused(message(params=params), version, *rest, other) == MISMATCH


def test_versions_that_differ_are_a_mismatch() -> None:
    assert refused(message(params=CURRENT), OLD) == MISMATCH
    assert refused(message(params=CURRENT)) == MISMATCH
    assert refused(message(params={"name": "get_note"}), *FIELDS) == MISMATCH


def test_a_version_that_nobody_knows_is_told_with_the_id() -> None:
    found = read(message(id="x"), (b"MCP-Protocol-Version", b"2031-01-01"))
    assert isinstance(found, Misread)
    assert (found.error, found.id, found.requested) == (errors.UNSUPPORTED_VERSION, "x", "2031-01-01")


def test_a_response_is_a_message_of_the_old_versions_only() -> None:
    sent = b'{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}'
    assert read(sent, OLD) == Operation("response", None, "body", "2025-11-25")
    assert refused(sent, VERSION) == INVALID


@given(st.binary(max_size=80))
def test_no_bytes_at_all_raise(sent: bytes) -> None:
    assert isinstance(read(sent), Misread | Operation)
