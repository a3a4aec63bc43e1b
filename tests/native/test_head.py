"""native/head: a head is ours whole or not at all, however it arrives, and no byte behind it is looked at."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.heads import CASES, NEXT, SEEDS, Case, facts, holds_to_itself, mutated, told, trickled

from bearerd._native import head

START = b"GET /auth/api HTTP/1.1\r\nHost: a\r\n"
OURS = [case for case in CASES if case.verdict == "COMPLETE"]
BEGUN = [case for case in CASES if case.verdict == "MORE"]
OTHERS = [case for case in CASES if case.verdict == "NOT_MINE"]


def whole(data: bytes, **limits: int) -> head.Whole:
    found = head.read(data, **limits)
    assert isinstance(found, head.Whole)
    return found


# ---- The corpus, in every way that bytes arrive ----


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.claim)
def test_the_corpus_is_judged_as_it_says(case: Case) -> None:
    assert told(head.read(case.data)) == case.verdict


@pytest.mark.parametrize("case", OURS, ids=lambda case: case.claim)
def test_a_head_is_whole_with_its_last_byte_and_not_before(case: Case) -> None:
    size = whole(case.data).size
    searched = 0
    for end in range(size):
        assert isinstance(head.read(case.data[:end]), int)
        searched = head.read(case.data[:end], searched)
        assert isinstance(searched, int)
        assert end - 1 <= searched <= end  # nothing is looked at twice, but a CR whose LF is to come
    assert facts(head.read(case.data[:size], searched)) == facts(head.read(case.data[:size]))


@pytest.mark.parametrize("case", [*OURS, *BEGUN, *OTHERS], ids=lambda case: case.claim)
def test_one_cut_anywhere_changes_nothing(case: Case) -> None:
    at_once = head.read(case.data)
    for end in range(len(case.data)):
        cut = trickled(case.data, [end])
        if "behind the last one" not in case.claim:  # which is ours where it ends a piece
            assert told(cut) == told(at_once)
        if isinstance(at_once, head.Whole):
            assert facts(cut) == facts(at_once)


@pytest.mark.parametrize("case", OURS, ids=lambda case: case.claim)
def test_what_follows_a_head_is_left_to_the_next(case: Case) -> None:
    found = whole(case.data)
    own = case.data[: found.size]
    for more in (NEXT, b"\r\n", b"\0\xff", b"X" * 1000):
        if found.close:
            assert head.read(own + more) is None
        else:
            assert facts(whole(own + more)) == facts(whole(own))


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.claim)
def test_what_is_not_ours_never_becomes_it(case: Case) -> None:
    assert head.read(case.data + b"\r\n\r\n") is None
    assert head.read(case.data + b"X" * 1000) is None


# ---- As early as it is sure ----


@pytest.mark.parametrize(
    "data",
    [
        *(b"X", b"\x16", b"\r", b"g", b"GETT", b"GET  ", b"GET x", b"GET /x", b"GET /aut/", b"GET /authx", b"GET /auth;", b"GET /auth#", b"GET /ext_authz_"),
        *(b"GET /auth//", b"GET /auth/A", b"GET /auth/-", b"GET /auth/a.", b"GET /auth/a/", b"GET /auth/a\r", b"GET /auth/ "),
        *(b"GET /ext_authz/a;", b"GET /auth/" + b"a" * 64, b"POST /i", b"GET /auth/a\n", b"GET /auth/a?\0", b"GET /auth/\xff"),
        *(START + b"A: \0", START + b"A: b\n", START + b"A: b\rc", START + b" b\r\n", START + b"A b: c\r\n", START + b"Expect: x\r\n"),
        START + b"Content-Length: 1\r\n",
    ],
)  # fmt: skip
def test_a_request_that_cannot_become_ours_is_let_go_with_the_byte_that_tells(data: bytes) -> None:
    assert head.read(data) is None
    assert trickled(data, list(range(len(data)))) is None
    assert isinstance(head.read(data[:-1]), int)


# ---- What is told ----


def test_everything_stands_where_it_is_said_to() -> None:
    data = (
        b"HEAD /ext_authz/my-api_2/v1/x?y=/z HTTP/1.1\r\nhost: a.example:80\r\nX-Original-Method: PUT\r\n"
        b"X-Original-URI: \t/u \r\nX-Original-Host:h\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /f\r\nX-Forwarded-Host: i\r\n"
        b"X-Forwarded-Proto: https\r\nX-Nobody: reads \xc3\xa9\r\nTraceParent: t\r\nAuthorization: Bearer a.b.c\r\n"
        b"Origin: o\r\nAccess-Control-Request-Method: DELETE\r\nAccept: */*\r\nSec-Fetch-Mode: navigate\r\n"
        b"MCP-Protocol-Version: v\r\nMcp-Method: m\r\nMcp-Name: n\r\nx-forwarded-uri: /g\r\nX-FORWARDED-URI: /h\r\n\r\n"
    )
    found = whole(data + NEXT)
    assert (found.face, found.method, found.name, found.is_head) == ("ext_authz", b"HEAD", b"my-api_2", True)
    assert (found.target, found.rest) == (b"/ext_authz/my-api_2/v1/x?y=/z", b"/v1/x?y=/z")
    assert (found.size, found.close) == (len(data), False)
    assert found.twice == {"x-forwarded-uri"}
    assert found.known.keys() == set(head.KNOWN_NAMES)
    for name, at in found.known.items():
        assert found.fields[at][0].lower().decode() == name
    lines = [line.partition(b":") for line in data.split(b"\r\n")[1:-2]]
    assert found.fields == tuple((name, value.strip(b" \t")) for name, _, value in lines)
    assert found.fields[found.known["x-forwarded-uri"]][1] == b"/f"


def test_what_is_not_there_is_not_told() -> None:
    found = whole(START + b"\r\n")
    assert (found.face, found.method, found.name, found.rest, found.is_head) == ("auth", b"GET", b"api", b"", False)
    assert found.known == {"host": 0}
    assert not found.twice


@pytest.mark.parametrize("name", head.KNOWN_NAMES)
@pytest.mark.parametrize("change", [bytes.upper, bytes.title, bytes.swapcase])
def test_a_name_is_known_in_any_case_and_only_whole(name: str, change: object) -> None:
    line = b"GET /auth/api HTTP/1.1\r\n" + (b"" if name == "host" else b"Host: a\r\n")
    spelt = change(name.encode())  # type: ignore[operator]
    assert name in whole(line + spelt + b": x\r\n\r\n").known
    for at in range(len(spelt)):
        for other in (
            spelt[:at] + b"!" + spelt[at + 1 :],
            spelt[:at] + spelt[at + 1 :],
            spelt[:at] + b"x" + spelt[at:],
        ):
            if other:
                assert whole(START + other + b": x\r\n\r\n").known.keys() == {"host"}


@pytest.mark.parametrize("byte", range(256))
def test_each_byte_at_each_place(byte: int) -> None:
    """A value of any length takes what a value may hold, wherever in it that stands: it is read many bytes at a time."""
    may = byte == 9 or 0x20 <= byte < 0x7F or byte >= 0x80
    for length in (1, 7, 8, 9, 63, 64, 65, 90, 140):
        for at in {0, 1, 6, 7, 8, length // 2, 62, 63, 64, 65, length - 2, length - 1}:
            if 0 <= at < length:
                value = bytearray(b"v" * length)
                value[at] = byte
                found = head.read(START + b"A:" + value + b"\r\n\r\n")
                assert isinstance(found, head.Whole) == may
                if may:
                    assert found.fields[1] == (b"A", bytes(value).strip(b" \t"))
                begun = head.read(START + b"A:" + value)
                assert isinstance(begun, int) == (may or (byte == 13 and at == length - 1))


# ---- Limits ----


def test_at_a_limit_a_head_is_not_ours() -> None:
    line = b"A: " + b"x" * 1000
    data = START + line + b"\r\n\r\n"
    assert whole(data, max_header_bytes=len(line) + 1)
    assert head.read(data, max_header_bytes=len(line)) is None
    assert whole(data, max_headers=2)
    assert head.read(data, max_headers=1) is None
    assert whole(data, max_head_bytes=len(data) + 2)  # two fields: faces/server.py counts a byte more for each
    assert head.read(data, max_head_bytes=len(data) + 1) is None


def test_a_long_request_line_is_not_ours() -> None:
    data = b"GET /auth/api?" + b"x" * 1000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert whole(data, max_header_bytes=len(data) - 12)
    assert head.read(data, max_header_bytes=len(data) - 13) is None


@pytest.mark.parametrize("begun", [START + b"A: " + b"x" * 500, b"GET /auth/api?" + b"x" * 600])
def test_what_has_not_ended_at_a_limit_is_not_waited_for(begun: bytes) -> None:
    for limits in ({"max_header_bytes": 400}, {"max_head_bytes": 500}):
        assert head.read(begun, **limits) is None
        assert trickled(begun, list(range(len(begun))), **limits) is None
        (limit,) = limits.values()
        assert isinstance(head.read(begun[: limit - 1], **limits), int)


def test_no_limit_makes_more_fields_than_there_is_room_for() -> None:
    fields = [b"N%d: x\r\n" % number for number in range(127)]
    assert len(whole(START + b"".join(fields) + b"\r\n", max_headers=1000).fields) == 128
    assert head.read(START + b"".join([*fields, b"A: b\r\n"]) + b"\r\n", max_headers=1000) is None
    holds_to_itself(START + b"".join([*fields, b"A: b\r\n"]) + b"\r\n", [])
    assert head.read(START + b"A: b\r\n" * 10_000, max_headers=1000, max_head_bytes=1 << 30) is None


# ---- Any bytes ----


@given(st.binary(max_size=200), st.randoms(use_true_random=False))
def test_any_bytes_are_judged_alike_whole_and_in_pieces(data: bytes, random: Random) -> None:
    for text in (data, START + data, START + b"A:" + data + b"\r\n\r\n"):
        holds_to_itself(text, sorted(random.choices(range(len(text) + 1), k=3)))


@pytest.mark.parametrize("seed", range(4))
def test_changed_heads_are_judged_alike_whole_and_in_pieces(seed: int) -> None:
    random = Random(seed)
    for _ in range(1500):
        data = mutated(random, random.choice(SEEDS))
        holds_to_itself(data, sorted(random.choices(range(len(data) + 1), k=random.randrange(5))))


def test_searching_beyond_the_data_begins_anew() -> None:
    assert whole(START + b"\r\n").size == head.read(START + b"\r\n", 10_000).size
