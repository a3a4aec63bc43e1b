"""native/jsontext: what the scan accepts, orjson and everybody else read as the same members."""

from __future__ import annotations

import ctypes
import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.guard import Guarded, entry

from bearerd._native import jsontext, jws

DEPTH, MEMBERS = 16, 512


class Refused(Exception):
    """The oracle's answer for a text that must not pass."""


def oracle(text: bytes, max_depth: int = DEPTH, max_members: int = MEMBERS) -> dict[str, Any]:
    """Python's own parser, with the strictness that it lacks."""
    members = 0

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal members
        members += len(found)
        for name, _ in found:
            name.encode()  # a lone surrogate
        if len({name for name, _ in found}) < len(found):
            raise Refused
        return dict(found)

    def check(value: Any, depth: int) -> None:
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, dict | list):
            if depth >= max_depth:
                raise Refused
            for inner in value.values() if isinstance(value, dict) else value:
                check(inner, depth + 1)

    def constant(_: str) -> None:
        raise Refused

    try:
        value = json.loads(text.decode(), object_pairs_hook=pairs, parse_constant=constant, parse_int=float)
        check(value, 0)
    except (ValueError, RecursionError) as error:
        raise Refused from error
    if not isinstance(value, dict) or members > max_members:
        raise Refused
    return value


def accepts(text: bytes, max_depth: int = DEPTH, max_members: int = MEMBERS) -> bool:
    try:
        jws.scan(text, max_depth, max_members)
    except jws.Malformed:
        return False
    return True


def names(value: Any) -> Any:
    """The members of a value, without what the numbers are."""
    if isinstance(value, dict):
        return {name: names(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [names(inner) for inner in value]
    return None if isinstance(value, int | float) else value


def overflows(value: Any) -> bool:
    """Whether a number has no double: the one thing that passes here and not in orjson."""
    if isinstance(value, dict | list):
        return any(overflows(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isinf(value)


def agree(text: bytes) -> bool:
    """The scan, the oracle and orjson together on one text; whether it was accepted."""
    try:
        read = oracle(text)
    except Refused:
        assert not accepts(text), text
        return False
    assert accepts(text), text
    if not overflows(read):
        assert names(orjson.loads(text)) == names(read)
    return True


GOOD = [
    b"{}",
    b" \t\r\n{ \t\r\n} \t\r\n",
    b'{"a":1}',
    b'{ "a" : 1 , "b" : [ 1 , { } , [ ] , { "a" : 2 } ] }',
    b'{"":0}',
    b'{"a":true,"b":false,"c":null}',
    b'{"a":{"a":{"a":1}},"b":{"a":1}}',  # one name in several objects
    b'{"a":[{"a":1},{"a":1}]}',
    b'{"a":0,"b":-0,"c":0.0,"d":-0.5e-7,"e":1E+10,"f":1e5,"g":10,"h":120.450}',
    b'{"a":1e999}',
    b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00"}',
    b'{"a":"\x7f"}',
    '{"é":1,"e\u0301":2,"É":3}'.encode(),  # compared by code point, never normalised
    b'{"A":1,"a":2}',
    b'{"a":1,"a ":2,"a\\u0000":3,"\\u0000":4,"":5}',
    b'{"\\ud83d\\ude00":1,"\\ud83d\\ude01":2}',
    b'{"\xf4\x8f\xbf\xbf":1,"\xef\xbf\xbf":2,"\xed\x9f\xbf":3}',
]
BAD = [
    b"",
    b" ",
    b"[]",
    b"1",
    b'"a"',
    b"null",
    b"\xef\xbb\xbf{}",
    b"{",
    b"}",
    b"{}}",
    b"{} x",
    b"{}\x00",
    b"\x00{}",
    b"{\x00}",
    b"{,}",
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b'{,"a":1}',
    b'{"a":1 "b":2}',
    b'{"a" 1}',
    b'{"a":1,,"b":2}',
    b'{"a":1]',
    b'{"a":[1}',
    b'{"a":[1,]}',
    b'{"a":[,1]}',
    b'{"a":[1 2]}',
    b'{"a":[',
    b'{"a":[]',
    b"{a:1}",
    b"{'a':1}",
    b"{1:1}",
    b'{"a":1}//',
    b'{"a":tru}',
    b'{"a":truee}',
    b'{"a":nul',
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":-Infinity}',
    b'{"a":01}',
    b'{"a":-01}',
    b'{"a":1.}',
    b'{"a":.5}',
    b'{"a":+1}',
    b'{"a":-}',
    b'{"a":1e}',
    b'{"a":1e+}',
    b'{"a":1.e5}',
    b'{"a":0x10}',
    b'{"a":1_000}',
    b'{"a":1',
    b'{"a":"b',
    b'{"a":"b\\',
    b'{"a":"b\\"',
    b'{"a":"\\x41"}',
    b'{"a":"\\U0041"}',
    b'{"a":"\\u004"}',
    b'{"a":"\\u004',
    b'{"a":"\\u00g1"}',
    b'{"a":"\\u+041"}',
    b'{"a":"\\ud800"}',
    b'{"a":"\\udc00"}',
    b'{"a":"\\ud800\\ud800"}',
    b'{"a":"\\ud800\\u0041"}',
    b'{"a":"\\ud800x\\udc00"}',
    b'{"a":"\\ude00\\ud83d"}',
    b'{"a":"\\ud83d\\ude0"}',
    b'{"\\ud800":1}',
    b'{"a":"\n"}',
    b'{"a":"\t"}',
    b'{"a":"\x00"}',
    b'{"a":"\x1f"}',
    b'{"a\n":1}',
    b'{"a":"\xff"}',
    b'{"a":"\xc3"}',
    b'{"a":"\xc0\xaf"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xf4\x90\x80\x80"}',
    b'{"a":"\xe2\x82"}',
    b'{"\xff":1}',
    b'{"a":\xa0 1}',
]
DUPLICATES = [
    b'{"a":1,"a":1}',
    b'{"a":1,"b":2,"a":3}',
    b'{"":1,"":2}',
    b'{"a":1,"\\u0061":2}',
    b'{"\\u0061":1,"\\u0061":2}',
    b'{"sub":1,"s\\u0075b":2}',
    b'{"a/b":1,"a\\/b":2}',
    b'{"\\n":1,"\\u000a":2}',
    b'{"\\u000A":1,"\\u000a":2}',
    b'{"\\u0000":1,"\\u0000":2}',
    '{"é":1,"\\u00e9":2}'.encode(),
    '{"€":1,"\\u20AC":2}'.encode(),
    '{"😀":1,"\\uD83D\\uDE00":2}'.encode(),
    b'{"x":{"a":1,"\\u0061":2}}',
    b'{"x":[[{"a":1,"a":2}]]}',
    b'{"a":{"b":1},"c":{"b":1},"a":3}',
    b'{"a":{"a":{"b":1,"b":2}}}',
]


@pytest.mark.parametrize("text", GOOD, ids=repr)
def test_json_objects_pass(text: bytes) -> None:
    assert agree(text)


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_anything_else_is_malformed(text: bytes) -> None:
    assert not agree(text)


@pytest.mark.parametrize("text", DUPLICATES, ids=repr)
def test_two_members_of_one_name_are_malformed_however_they_are_spelled(text: bytes) -> None:
    with pytest.raises(jws.Malformed, match="two members of one name"):
        jws.scan(text, DEPTH, MEMBERS)
    assert not agree(text)


@pytest.mark.parametrize(
    "character", [*range(0x20), 0x22, 0x2F, 0x5C, 0x41, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF]
)
def test_every_way_to_write_a_character_is_one_name(character: int) -> None:
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 0x22: '\\"', 0x2F: "\\/", 0x5C: "\\\\"}
    ways = [f"\\u{character:04x}", f"\\u{character:04X}", short.get(character, "")]
    if character >= 0x20 and character not in (0x22, 0x5C):
        ways.append(chr(character))
    for one in filter(None, ways):
        for other in filter(None, ways):
            assert not accepts(f'{{"{one}":1,"{other}":2}}'.encode("utf-8", "surrogatepass"))
            assert accepts(f'{{"{one}":1,"{other}x":2}}'.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("depth", [1, 2, 3, 16, 64, 1024])
@pytest.mark.parametrize(("left", "right"), [(b'{"a":', b"}"), (b'{"a":[', b"]}")])
def test_depth_is_allowed_up_to_the_limit(depth: int, left: bytes, right: bytes) -> None:
    levels = left.count(b"{") + left.count(b"[")
    for times in {depth // levels, depth // levels + 1}:
        text = left * times + b"1" + right * times
        if times:
            assert accepts(text, depth, 2000) == (times * levels <= depth)
            assert accepts(text.replace(b"1", b"{}"), depth, 2000) == (times * levels < depth)


@pytest.mark.parametrize("limit", [-(2**62), -1, 0])
def test_a_limit_below_one_allows_nothing(limit: int) -> None:
    assert not accepts(b"{}", max_depth=limit)
    assert not accepts(b'{"a":1}', max_members=limit)


def test_no_depth_exhausts_the_stack() -> None:
    for opener in (b"[", b'{"a":'):
        for limit in (1024, 1025, 2**62):  # never deeper than 1024, whatever is asked
            assert accepts(b'{"a":' + b"[" * 1023 + b"]" * 1023 + b"}", max_depth=limit)
            assert not accepts(b'{"a":' + b"[" * 1024 + b"]" * 1024 + b"}", max_depth=limit)
            assert not accepts(b'{"a":' + opener * 500_000, max_depth=limit)


@pytest.mark.parametrize("limit", [1, 2, 16, 512])
def test_members_are_counted_over_all_objects(limit: int) -> None:
    def flat(count: int) -> bytes:
        return b"{" + b",".join(b'"%d":0' % i for i in range(count)) + b"}"

    assert accepts(flat(limit), max_members=limit)
    assert not accepts(flat(limit + 1), max_members=limit)
    spread = b'{"a":[' + b",".join(b'{"b":0}' for _ in range(limit - 1)) + b"]}"
    assert accepts(spread, max_members=limit)
    assert not accepts(spread.replace(b"[", b'[{"b":0},' if limit > 1 else b'[{"b":0}', 1), max_members=limit)


def test_elements_are_no_members() -> None:
    assert accepts(b'{"a":[' + b",".join([b"0"] * 5000) + b"]}", max_members=1)


def test_hundreds_of_thousands_of_names_are_compared_in_linear_time() -> None:
    """Pairwise, this would take 4e10 comparisons: the test would never end.  The same name in many objects likewise."""
    many = b",".join(b'"%d":0' % i for i in range(200_000))
    assert accepts(b"{" + many + b"}", max_members=200_000)
    assert not accepts(b"{" + many + b',"199999":0}', max_members=300_000)
    assert accepts(b'{"a":[' + b",".join([b'{"a":0}'] * 200_000) + b"]}", max_members=200_001)


def test_the_shortest_members_fill_the_table_no_further_than_it_is_made_for() -> None:
    objects = b",".join([b'{"":0}'] * 1000)
    assert accepts(b'{"a":[' + objects + b"]}", max_members=1001)
    assert not accepts(b'{"":0,"":0}')


@pytest.mark.parametrize("wrong", [None, "{}", bytearray(b"{}"), memoryview(b"{}")])
def test_only_bytes_are_scanned(wrong: object) -> None:
    with pytest.raises(TypeError):
        jws.scan(wrong, DEPTH, MEMBERS)  # type: ignore[arg-type]


def test_an_error_quotes_nothing() -> None:
    for text in BAD + DUPLICATES:
        with pytest.raises(jws.Malformed) as caught:
            jws.scan(b'{"SECRET":' + text + b"," + text + b"SECRET}", DEPTH, MEMBERS)
        assert "SECRET" not in str(caught.value)
        assert caught.value.__cause__ is None


# ---- against the oracle ----

BYTES = [bytes((c,)) for c in b'{}[]:,"\\/0123.eE+-tfnu \x00\x1f\x7f\x80\xc3\xa9\xff']
PIECES = [*BYTES, b"", b"\\u0061", b"\\ud83d", b"\\ude00"]


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """A JSON string, each character in one of its spellings."""
    out = []
    for character in text:
        units = character.encode("utf-16-be")
        escaped = "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
        plain = json.dumps(character, ensure_ascii=False)[1:-1]
        out.append(draw(st.sampled_from([plain, plain, escaped, escaped.upper().replace("U", "u")])))
    return '"' + "".join(out) + '"'


NAMES = st.text(st.sampled_from('ab/"\\\n\0é€😀'), max_size=2)
NUMBERS = st.sampled_from(["0", "-0", "1.5", "1e5", "-2E-3", "12345678901234567890", "1e999", "-9007199254740993"])
SCALARS = st.one_of(st.sampled_from(["true", "false", "null"]), NUMBERS, NAMES.flatmap(spelled))
SPACE = st.sampled_from(["", "", "", " ", "\n", "\t\r"])


@st.composite
def texts(draw: st.DrawFn, levels: int = 3) -> str:
    """A JSON object; names collide often."""
    values = SCALARS if levels == 0 else st.one_of(SCALARS, texts(levels - 1), arrays(levels - 1))
    members = [
        draw(SPACE) + draw(spelled(name)) + draw(SPACE) + ":" + draw(SPACE) + draw(values)
        for name in draw(st.lists(NAMES, max_size=3))
    ]
    return "{" + ",".join(members) + draw(SPACE) + "}"


@st.composite
def arrays(draw: st.DrawFn, levels: int) -> str:
    values = SCALARS if levels == 0 else st.one_of(SCALARS, texts(levels - 1))
    return "[" + ",".join(draw(SPACE) + value for value in draw(st.lists(values, max_size=2))) + "]"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good text with one place spoiled."""
    text = draw(texts()).encode()
    at = draw(st.integers(0, len(text)))
    cut = draw(st.integers(0, 2))
    return text[:at] + draw(st.sampled_from(PIECES)) + text[at + cut :]


@given(texts())
@example('{"a":{"b":1},"b":{"a":1,"b":[{"a":1}]}}')
def test_a_written_object_is_read_as_the_oracle_reads_it(text: str) -> None:
    agree(text.encode())


@given(
    st.lists(
        st.sampled_from(
            ["a", "é", "€", "😀", *' !"#[\\]^~\x1f\x7f\0', '\\"', "\\\\", "\\u0061", "aaaaaaa", "bbbbbbbb"]
        ),
        max_size=30,
    )
)
def test_long_strings_end_where_the_oracle_has_them_end(parts: list[str]) -> None:
    agree(b'{"' + "".join(parts).encode() + b'":"' + "".join(reversed(parts)).encode() + b'"}')


def test_every_byte_at_every_place_of_a_string() -> None:
    for place in range(20):
        for byte in range(256):
            agree(b'{"a":"' + b"!" * place + bytes((byte,)) + b"]" * (20 - place) + b'"}')


@given(damaged())
def test_a_damaged_object_is_read_as_the_oracle_reads_it(text: bytes) -> None:
    agree(text)


@given(
    st.lists(st.sampled_from([*PIECES, b'"a":', b"true", b"null"]), max_size=12).map(
        lambda parts: b'{"a":' + b"".join(parts)
    )
)
def test_tokens_in_any_order_are_read_as_the_oracle_reads_them(text: bytes) -> None:
    agree(text)


@given(st.binary(max_size=30) | damaged(), st.integers(-1, 4), st.integers(-1, 6))
def test_reads_no_byte_beyond_the_text(text: bytes, max_depth: int, max_members: int) -> None:
    scan = entry(
        jsontext, "scan_text", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_ssize_t, ctypes.c_ssize_t
    )
    memory = Guarded()
    for end in range(len(text) + 1):
        fault = scan(memory.place(text[:end]), end, max_depth, max_members)
        assert (fault is None) == accepts(text[:end], max_depth, max_members)
