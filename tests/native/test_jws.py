"""native/jws: one spelling of a compact JWS, and nothing else."""

from __future__ import annotations

import base64
import binascii
import ctypes
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.guard import Guarded, entry

from bearerd._native import jws

DEPTH, MEMBERS = 16, 512
ALPHABET = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_").encode()


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def split(token: bytes) -> jws.Compact:
    return jws.split(token, DEPTH, MEMBERS)


# ---- base64url ----


def oracle(text: bytes) -> bytes | None:
    """Decode leniently, encode again: the canonical spelling is the one that comes back."""
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return data if b64(data) == text else None


def decode(text: bytes) -> bytes | None:
    try:
        return jws.b64decode(text)
    except jws.Malformed:
        return None


@given(st.binary(max_size=200))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    assert jws.b64decode(b64(data)) == data


@given(st.binary(max_size=30) | st.lists(st.sampled_from([*ALPHABET, *b"+/=. \n\0\x80\xff"]), max_size=30).map(bytes))
def test_only_the_canonical_spelling_is_decoded(text: bytes) -> None:
    assert decode(text) == oracle(text)


def test_every_text_of_up_to_two_bytes() -> None:
    for text in [b"", *(bytes((a,)) for a in range(256)), *(bytes((a, b)) for a in range(256) for b in range(256))]:
        assert decode(text) == oracle(text)


@pytest.mark.parametrize("size", [3, 4, 5, 6, 7, 8])
def test_every_byte_at_every_place(size: int) -> None:
    for place in range(size):
        for byte in range(256):
            text = b"A" * place + bytes((byte,)) + b"A" * (size - place - 1)
            assert decode(text) == oracle(text)


def test_left_over_bits_must_be_zero() -> None:
    """Or a revoked token would have four or sixteen other spellings that still verify."""
    twos = {bytes((c,)) for c in ALPHABET if decode(b"A" + bytes((c,))) is not None}
    threes = {bytes((c,)) for c in ALPHABET if decode(b"AA" + bytes((c,))) is not None}
    assert twos == {b"A", b"Q", b"g", b"w"}
    assert threes == {bytes((c,)) for c in b"AEIMQUYcgkosw048"}


@pytest.mark.parametrize("text", [b"YQ==", b"YQ=", b"YWI=", b"YWJj=", b"YWJj====", b"=", b"Y", b"YWJjY"])
def test_padding_and_lone_characters_are_refused(text: bytes) -> None:
    with pytest.raises(jws.Malformed):
        jws.b64decode(text)


@given(st.binary(max_size=24) | st.lists(st.sampled_from(ALPHABET), max_size=24).map(bytes))
def test_reads_and_writes_no_byte_beyond_its_own(text: bytes) -> None:
    into = entry(jws, "base64url_into", ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    source, out = Guarded(), Guarded()
    room = len(text) * 3 // 4
    length = into(source.place(text), len(text), out.room(room))
    assert (None if length < 0 else out.read(room, length)) == oracle(text)


# ---- split ----

HEADER, PAYLOAD, SIGNATURE = b'{"alg":"RS256"}', b'{"iss":"x","aud":["y"]}', bytes(range(224, 256))
TOKEN = b64(HEADER) + b"." + b64(PAYLOAD) + b"." + b64(SIGNATURE)


def test_a_token_is_split_and_decoded() -> None:
    for read in (split(TOKEN), jws.split_any(TOKEN, DEPTH, MEMBERS)):
        assert (read.header, read.payload, read.signature) == (HEADER, PAYLOAD, SIGNATURE)
        assert read.signing_input == TOKEN.rpartition(b".")[0]


def test_the_example_of_rfc_7515_appendix_a1() -> None:
    token = (
        b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        b".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    read = split(token)
    assert read.header == b'{"typ":"JWT",\r\n "alg":"HS256"}'
    assert read.payload == b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
    assert read.signature[:4] == bytes((116, 24, 223, 180))


H, P, S = b64(HEADER), b64(PAYLOAD), b64(SIGNATURE)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"...",
        b"....",
        H,
        H + b"." + P,
        H + b"." + P + b".",
        b"." + P + b"." + S,
        H + b"." + P + b"." + S + b".",
        b"." + H + b"." + P + b"." + S,
        H + b"." + P + b"." + S + b"." + S,
        H + b"." + P + b"." + S + b"." + S + b"." + S + b"." + S,
        H + b"." + P + b"." + S + b"=",
        H + b"." + P + b"." + S + b"\n",
        b" " + H + b"." + P + b"." + S,
        H + b"=." + P + b"." + S,
        H + b"." + P + b" ." + S,
        H + b"\x00." + P + b"." + S,
        H + b"." + P + b"." + S[:-1] + b"+",
        H + b"." + P + b"." + S + b"\x00",
        H + b"," + P + b"," + S,
        b64(b"[]") + b"." + P + b"." + S,
        b64(b"") + b"." + P + b"." + S,
        b64(b'"{}"') + b"." + P + b"." + S,
        b64(b'{"alg":"RS256","\\u0061lg":"none"}') + b"." + P + b"." + S,
        b64(b'{"alg":"\xff"}') + b"." + P + b"." + S,
        b64(b'{"alg":NaN}') + b"." + P + b"." + S,
        b64(HEADER + b"x") + b"." + P + b"." + S,
    ],
    ids=repr,
)
def test_a_malformed_token_is_refused_with_any_payload(token: bytes) -> None:
    for read in (jws.split, jws.split_any):
        with pytest.raises(jws.Malformed):
            read(token, DEPTH, MEMBERS)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"1", b"null", b"text", b"\xff", b'{"a":1,"a":2}', b'{"a":{"b":1,"\\u0062":2}}', b"{}x"],
    ids=repr,
)
def test_only_claims_must_be_an_object_without_duplicates(payload: bytes) -> None:
    token = H + b"." + b64(payload) + b"." + S
    with pytest.raises(jws.Malformed):
        split(token)
    assert jws.split_any(token, DEPTH, MEMBERS).payload == payload


def test_limits_hold_for_header_and_payload_each() -> None:
    two, one = b64(b'{"a":1,"b":{}}'), b64(b'{"a":1}')
    assert jws.split(two + b"." + two + b".AA", 2, 2)
    for token in (two + b"." + one + b".AA", one + b"." + two + b".AA"):
        for depth, members in ((1, 2), (2, 1)):
            with pytest.raises(jws.Malformed):
                jws.split(token, depth, members)


@pytest.mark.parametrize("read", [jws.split, jws.split_any])
def test_a_jwe_is_told_by_its_dots_alone(read: object) -> None:
    """None of it is decoded: segments that no decoder would take are refused with the same words."""
    for token in (b".".join([H] * 5), b"....", b"!.\xff.=.\x00. ", b"\xff" * 30_000 + b"...."):
        with pytest.raises(jws.Malformed, match=r"JWE \(five segments\)"):
            read(token, DEPTH, MEMBERS)  # type: ignore[operator]
    with pytest.raises(jws.Malformed, match="not three segments"):
        read(b"." * 30_000, DEPTH, MEMBERS)  # type: ignore[operator]


def test_an_error_says_which_segment_and_quotes_none() -> None:
    cases = {
        b"SECRET+." + P + b"." + S: "the header is not canonical base64url",
        H + b".SECRET=." + S: "the payload is not canonical base64url",
        H + b"." + P + b".SECRE": "the signature is not canonical base64url",
        H + b"." + b64(b"SECRET") + b"." + S: "the payload: not a JSON object",
        b64(b'{"SECRET":"\x00"}') + b"." + P + b"." + S: "the header: a JSON string is not valid",
    }
    for token, message in cases.items():
        with pytest.raises(jws.Malformed) as caught:
            split(token)
        assert str(caught.value) == message
    assert issubclass(jws.Malformed, ValueError)


SEGMENTS = st.one_of(
    st.binary(max_size=12).map(b64),
    st.sampled_from(
        [b64(b"{}"), b64(b'{"a":1}'), b64(b'{"a":1,"a":2}'), b"", b"A", b"AB", b"AA==", b"\x00", b"+", b"a.b"]
    ),
)


@given(st.lists(SEGMENTS, min_size=1, max_size=6).map(b".".join))
def test_a_token_is_accepted_only_if_each_clause_holds(token: bytes) -> None:
    parts = token.split(b".")
    decoded = [oracle(part) for part in parts]
    shape = len(parts) == 3 and parts[0] != b"" != parts[2] and None not in decoded
    good_header = shape and scans(decoded[0])
    for read, good in (
        (jws.split_any, good_header),
        (jws.split, good_header and parts[1] != b"" and scans(decoded[1])),
    ):
        try:
            found = read(token, DEPTH, MEMBERS)
        except jws.Malformed:
            assert not good
        else:
            assert good
            assert [found.header, found.payload, found.signature] == decoded
            assert re.fullmatch(rb"[^.]+\.[^.]*", found.signing_input)


def scans(text: bytes | None) -> bool:
    try:
        jws.scan(text or b"", DEPTH, MEMBERS)
    except jws.Malformed:
        return False
    return True


@given(st.binary(max_size=60))
def test_any_bytes_are_split_or_malformed(token: bytes) -> None:
    for read in (jws.split, jws.split_any):
        try:
            read(token, DEPTH, MEMBERS)
        except jws.Malformed:
            continue


@pytest.mark.parametrize("wrong", [None, "a.b.c", bytearray(TOKEN), memoryview(TOKEN)])
def test_only_bytes_are_split(wrong: object) -> None:
    for read in (jws.split, jws.split_any):
        with pytest.raises(TypeError):
            read(wrong, DEPTH, MEMBERS)  # type: ignore[arg-type]


def test_what_was_split_cannot_be_changed() -> None:
    read = split(TOKEN)
    for name in ("header", "payload", "signature", "signing_input"):
        with pytest.raises(AttributeError):
            setattr(read, name, b"{}")
    with pytest.raises(AttributeError):
        read.other = 1  # type: ignore[attr-defined]
    assert jws.Compact().header == b""  # made by hand it is empty, never half a token
