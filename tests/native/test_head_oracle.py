"""native/head against aiohttp's parser: where both read a head they read the same, and where it finds no request we find none."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracle
from support.heads import CASES, NEXT, SEEDS, SPLICES, Case, mutated, told

from bearerd._native import head
from bearerd.limits import Limits

START = b"GET /auth/api HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.claim)
def test_the_corpus_is_read_by_aiohttp_as_it_says(case: Case) -> None:
    assert oracle.outcome(case.data) == case.aiohttp
    oracle.agrees(case.data, head.read(case.data))


@pytest.mark.parametrize("splice", SPLICES, ids=repr)
def test_a_splice_anywhere_is_read_as_aiohttp_reads_it(splice: bytes) -> None:
    data = START + b"Authorization: Bearer x\r\nX-Original-URI: /\r\n\r\n"
    for at in range(len(data) + 1):
        for changed in (data[:at] + splice + data[at:], data[:at] + splice + data[at + 1 :]):
            oracle.agrees(changed, head.read(changed))


@pytest.mark.parametrize("byte", range(256))
def test_each_byte_in_each_place_is_read_as_aiohttp_reads_it(byte: int) -> None:
    data = b"PUT /ext_authz/api/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    for at in range(len(data)):
        changed = data[:at] + bytes((byte,)) + data[at + 1 :]
        oracle.agrees(changed, head.read(changed))


@pytest.mark.parametrize("seed", range(4))
def test_changed_heads_are_read_as_aiohttp_reads_them(seed: int) -> None:
    random = Random(seed + 100)
    verdicts = set()
    for _ in range(1200):
        data = mutated(random, random.choice(SEEDS))
        found = head.read(data)
        verdicts.add(told(found))
        oracle.agrees(data, found)
    assert verdicts == {"COMPLETE", "MORE", "NOT_MINE"}


PIECES = st.one_of(
    st.sampled_from([START, b"\r\n\r\n", NEXT, *SPLICES]),
    st.binary(max_size=6),
    st.from_regex(rb"\A[!#-'*+.0-9A-Z^-z|~-]{1,12}:[ \t]{0,2}[ -~\x80-\xff]{0,30}\r\n\Z"),
)


@given(st.lists(PIECES, max_size=8))
def test_pieces_of_heads_are_read_as_aiohttp_reads_them(pieces: list[bytes]) -> None:
    data = START + b"".join(pieces)
    for text in (data, data + b"\r\n"):
        oracle.agrees(text, head.read(text))


def near(limit: int) -> range:
    return range(limit - 6, limit + 3)


def test_near_every_limit_aiohttp_takes_what_we_take() -> None:
    limits = Limits(max_header_bytes=1024, max_head_bytes=2048, max_headers=16)
    set_so = limits.model_dump(include={"max_header_bytes", "max_head_bytes", "max_headers"})
    taken = []
    for size in near(1024):
        taken.append(START + b"A:" + b"x" * (size - 2) + b"\r\n\r\n")
        taken.append(b"GET /auth/api?" + b"x" * (size - 23) + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    for size in near(2048):
        rest = size - len(START) - 2 - 1004
        taken += [START + b"A:" + b"x" * 1000 + b"\r\n" + b"B:" + b"x" * (rest - 4) + b"\r\n\r\n"]
    taken += [START + b"A:b\r\n" * count + b"\r\n" for count in range(12, 18)]
    found = [head.read(data, **set_so) for data in taken]
    assert {told(verdict) for verdict in found} == {"COMPLETE", "NOT_MINE"}
    for data, verdict in zip(taken, found, strict=True):
        oracle.agrees(data, verdict, limits)
