"""native/path: one reading of a path, and everything that has two is refused."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.guard import Guarded, entry

from bearerd._native import path

CLEAN = [
    (b"/", b"/"),
    (b"/a", b"/a"),
    (b"/a/", b"/a/"),
    (b"/a/b.c/d", b"/a/b.c/d"),
    (b"/a?b", b"/a"),
    (b"/a?b?c", b"/a"),
    (b"/?", b"/"),
    (b"/a?../..//\\;#%2f%", b"/a"),  # the query is no part of the path
    (b"/a%20b", b"/a b"),
    (b"/%61%62", b"/ab"),
    (b"/%7Eme/%7eme", b"/~me/~me"),
    (b"/caf%C3%A9", "/café".encode()),
    (b"/caf%c3%a9", "/café".encode()),
    ("/café".encode(), "/café".encode()),
    (b"/caf\xc3%a9", "/café".encode()),  # a character half escaped
    (b"/%F0%9F%98%80", "/😀".encode()),
    (b"/...", b"/..."),
    (b"/a..b/.c/d./..e/f..", b"/a..b/.c/d./..e/f.."),
    (b"/.well-known/x", b"/.well-known/x"),
    (b"/*/**", b"/*/**"),
    (b"/a+b&c=d@e:f,g!h'i(j)k", b"/a+b&c=d@e:f,g!h'i(j)k"),
    (b"/%2b%26%3D", b"/+&="),
    (b"/%c2%a0", "/\xa0".encode()),  # the first code point after the C1 controls
]
AMBIGUOUS = [
    b"",
    b"?",
    b"?/a",
    b"*",
    b"a",
    b"a/b",
    b"http://host/a",
    b"//host/a",
    b"host:443",
    b"\\a",
    b"%2fa",
    b"/.",
    b"/..",
    b"/./",
    b"/../",
    b"/a/.",
    b"/a/..",
    b"/a/./b",
    b"/a/../b",
    b"/a/..?x",
    b"/a/%2e",
    b"/a/%2E%2e/b",
    b"/a/.%2e/b",
    b"/a%2eb",
    b"//",
    b"/a//",
    b"/a//b",
    b"/a/b//?x",
    b"/a\\b",
    b"/a%5cb",
    b"/a%5Cb",
    b"/a;b",
    b"/a;",
    b"/a/..;/b",
    b"/a%3bb",
    b"/a%3Bb",
    b"/a#b",
    b"/a%23b",
    b"/a%3fb",
    b"/a%3Fb",
    b"/a%2fb",
    b"/a%2Fb",
    b"/a%25b",
    b"/a%252fb",
    b"/a b",
    b"/a\tb",
    b"/a\nb",
    b"/a\r\nb",
    b"/a\x00",
    b"/a\x7f",
    b"/%00",
    b"/%0a",
    b"/%0D",
    b"/%1f",
    b"/%7f",
    b"/%7F",
    b"/%c2%80",  # C1 controls: U+0085 is a line end to some
    b"/%C2%85",
    b"/\xc2\x9f",
    b"/%",
    b"/%2",
    b"/a%",
    b"/a%6",
    b"/%zz",
    b"/%g1",
    b"/%1g",
    b"/% 1",
    b"/%u0041",
    b"/%6?1",
    b"/\xff",
    b"/%ff",
    b"/\xc3",
    b"/%c3",
    b"/%c3/%a9",
    b"/%c3?%a9",
    b"/%a9",
    b"/%c0%af",  # / in overlong UTF-8
    b"/%c1%81",
    b"/%e0%80%af",
    b"/%f0%80%80%af",
    b"/%ed%a0%80",  # a surrogate
    b"/%ed%bf%bf",
    b"/%f4%90%80%80",  # beyond U+10FFFF
    b"/%f5%80%80%80",
    b"/%e2%82",
    b"/%f0%9f%98",
]

ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
SPECIAL = set(b"/\\.;%?#")


def oracle(target: bytes) -> bytes | None:
    """The contract, clause by clause."""
    raw = target.split(b"?", 1)[0]
    if not raw.startswith(b"/"):
        return None
    if raw.count(b"%") != len(ESCAPE.findall(raw)) or set(raw) & set(b"\\;# "):
        return None
    if any(unquote_to_bytes(found)[0] in SPECIAL for found in ESCAPE.findall(raw)):
        return None
    segments = raw[1:].split(b"/")
    if any(segment in (b".", b"..") for segment in segments) or b"" in segments[:-1]:
        return None
    decoded = unquote_to_bytes(raw)
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        return None
    return None if any(unicodedata.category(character) == "Cc" for character in text) else decoded


# Pieces in which path confusions are made.
BYTES = [bytes((c,)) for c in b"/.;\\#%? aA2fe\x00\x1f\x7f\x80\xc3\xa9\xff"]
ESCAPES = [b"%2f", b"%2e", b"%2E", b"%5C", b"%3b", b"%25", b"%41", b"%c3", b"%a9", b"%C2%85", b"%00", b"%e2%82%ac"]
PIECES = st.sampled_from([*BYTES, *ESCAPES, b"..", b"//", b"/.", b"/..", b"\xe2\x82\xac"])
TARGETS = st.one_of(st.binary(max_size=40), st.lists(PIECES, max_size=14).map(lambda pieces: b"/" + b"".join(pieces)))


@pytest.mark.parametrize(("target", "normal"), CLEAN, ids=repr)
def test_a_path_with_one_reading_is_decoded_once(target: bytes, normal: bytes) -> None:
    assert path.normalise(target) == normal
    assert oracle(target) == normal


@pytest.mark.parametrize("target", AMBIGUOUS, ids=repr)
def test_a_path_with_two_readings_is_ambiguous(target: bytes) -> None:
    assert path.normalise(target) is None
    assert oracle(target) is None


@pytest.mark.parametrize("byte", range(256))
def test_each_byte_raw_and_encoded_is_read_as_the_contract_says(byte: int) -> None:
    for target in (b"/a%cb" % byte, b"/a%%%02xb" % byte, b"/a%%%02Xb" % byte, b"/%c" % byte, b"/a/%%%02x" % byte):
        assert path.normalise(target) == oracle(target)


@given(TARGETS)
@example(b"/\xc2\x85")
@example(b"/%E2%80%A8")
def test_agrees_with_the_contract_on_any_bytes(target: bytes) -> None:
    assert path.normalise(target) == oracle(target)


@given(TARGETS)
def test_a_normal_path_is_its_own_normal_form_once_spaces_are_escaped(target: bytes) -> None:
    normal = path.normalise(target)
    if normal is not None:
        assert path.normalise(normal.replace(b" ", b"%20")) == normal


@given(TARGETS)
def test_a_normal_path_keeps_its_segments(target: bytes) -> None:
    """Rules count slashes: decoding must not make or take one."""
    normal = path.normalise(target)
    if normal is not None:
        assert normal.count(b"/") == target.split(b"?", 1)[0].count(b"/")


def test_a_long_path_is_read_whole() -> None:
    target = b"/" + b"a%20" * 10_000
    assert path.normalise(target) == b"/" + b"a " * 10_000
    assert path.normalise(target + b"/..") is None


@given(TARGETS)
def test_reads_and_writes_no_byte_beyond_the_target(target: bytes) -> None:
    into = entry(path, "normalise_into", ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    names = entry(path, "names_access_token", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    source, out = Guarded(), Guarded()
    length = into(source.place(target), len(target), out.room(len(target)))
    assert (None if length < 0 else out.read(len(target), length)) == path.normalise(target)
    assert bool(names(source.place(target), len(target))) == path.query_has_access_token(target)


# ---- access_token in the query ----


@pytest.mark.parametrize(
    "target",
    [
        b"/?access_token",
        b"/?access_token=",
        b"/?access_token=x",
        b"/a?b=c&access_token=x",
        b"/a?b=c;access_token=x",
        b"/a?&&access_token=x&",
        b"/?access%5Ftoken=x",
        b"/?access%5ftoken=x",
        b"/?%61%63%63%65%73%73%5f%74%6f%6b%65%6e",
        b"/?x=1&access_toke%6e",
        b"?access_token=x",
        b"*?access_token=x",
        b"/?access_token#x",
        b"/?x=access_token;access_token",
    ],
)
def test_a_token_in_the_query_is_seen(target: bytes) -> None:
    assert path.query_has_access_token(target)


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"/",
        b"/access_token",
        b"/access_token=x",
        b"/?",
        b"/?x=access_token",
        b"/?x=&y=access_token=1",
        b"/?Access_Token=x",
        b"/?ACCESS_TOKEN=x",
        b"/?xaccess_token=x",
        b"/?access_tokenx=x",
        b"/?access_toke",
        b"/?access+token=x",
        b"/?access%2btoken=x",
        b"/?access%255Ftoken=x",  # decoded once only
        b"/?access_token%3Dx=1",  # an encoded = belongs to the name
        b"/?a%26access_token=1",  # an encoded & does not separate
        b"/?access%5token=x",
        b"/?access_token%=x",
        b"/?access_token%00=x",
    ],
)
def test_other_queries_name_no_token(target: bytes) -> None:
    assert not path.query_has_access_token(target)


QUERIES = st.lists(
    st.sampled_from(
        [b"access_token", b"access", b"_", b"%5F", b"%5", b"token", b"=", b"&", b";", b"?", b"x", b"%26", b"+"]
    ),
    max_size=12,
).map(lambda pieces: b"/?" + b"".join(pieces))


@given(st.one_of(QUERIES, TARGETS))
def test_agrees_with_the_contract_on_any_query(target: bytes) -> None:
    query = target.partition(b"?")[2]
    names = (unquote_to_bytes(parameter.partition(b"=")[0]) for parameter in re.split(rb"[&;#]", query))
    assert path.query_has_access_token(target) == (b"access_token" in names)


# ---- the NAME of a face's path ----


@pytest.mark.parametrize("name", [b"a", b"0", b"api", b"a-b_c9", b"9-", b"a" * 63])
@pytest.mark.parametrize("rest", [b"", b"/", b"/x/y", b"?", b"?x=/", b"/..", b"//"])
def test_a_name_ends_at_a_slash_a_query_or_the_end(name: bytes, rest: bytes) -> None:
    assert path.resource_name(b"/auth/" + name + rest, b"/auth/") == name


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"/",
        b"/auth",
        b"/auth/",
        b"/auth/?x",
        b"/auth//api",
        b"/AUTH/api",
        b"/auth/Api",
        b"/auth/API",
        b"/auth/-api",
        b"/auth/_api",
        b"/auth/api.",
        b"/auth/api;x",
        b"/auth/api#x",
        b"/auth/api%20",
        b"/auth/%61pi",
        b"/auth/api\x00",
        b"/auth/api\xff",
        b"/auth/ api",
        b"/auth%2fapi",
        b"//auth/api",
        b"auth/api",
        b"/x/auth/api",
        b"http://host/auth/api",
        b"/auth/" + b"a" * 64,
        b"/auth/" + b"a" * 64 + b"/x",
    ],
)
def test_anything_else_is_no_name(target: bytes) -> None:
    assert path.resource_name(target, b"/auth/") is None


@given(st.one_of(st.binary(max_size=80), st.from_regex(rb"\A/auth/[a-zA-Z0-9_\-/?.%]{0,70}\Z")))
def test_a_name_is_matched_on_raw_bytes(target: bytes) -> None:
    found = re.match(rb"/auth/([a-z0-9][a-z0-9_-]{0,62})(?=[/?]|\Z)", target)
    assert path.resource_name(target, b"/auth/") == (found and found[1])
    size = entry(path, "name_length", ctypes.c_size_t, *(ctypes.c_void_p, ctypes.c_size_t) * 2)
    source, prefix = Guarded(), Guarded()
    assert size(source.place(target), len(target), prefix.place(b"/auth/"), 6) == (len(found[1]) if found else 0)
