"""native/replies: what is too much is told before a parser sees it, however the bytes come apart."""

from __future__ import annotations

import contextlib

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.replies import Meter

Reply = bytes | int | None | list["Reply"]
LARGE = "a reply of more than 4096 bytes"


def fault(*pieces: bytes, most: int = 4096) -> str | None:
    meter = Meter()
    meter.begin(most)
    for piece in pieces:
        found = meter.take(piece)
        if found is not None:
            return found
    return None


def wire(reply: Reply) -> bytes:
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"$-1\r\n" if reply is None else b"*%d\r\n" % len(reply) + b"".join(map(wire, reply))


replies = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(replies, max_size=4), st.integers(1, 9))
def test_good_replies_pass_however_they_come_apart(several: list[Reply], step: int) -> None:
    text = b"".join(map(wire, several))
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    assert fault(*pieces, most=1 << 16) is None


@given(
    st.lists(
        st.sampled_from([b"*1000", b"*9", b"$5", b"$-1", b"*-1", b"-", b"+", b":7", b"\r", b"\n", b"\r\n", b"x", b"0"])
    )
)
def test_no_array_is_seen_by_the_parser_alone(parts: list[bytes]) -> None:
    """Whatever stands around it: what the parser takes for the beginning of a large array was counted before."""
    text = b"".join(parts) + b":1\r\n" * 1009  # so that each array comes to its end
    if fault(text, most=6400) is not None:  # four hundred values
        return
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(text)
    with contextlib.suppress(hiredis.ProtocolError):
        while (found := reader.gets()) is not ...:
            assert not isinstance(found, list) or len(found) <= 400


@pytest.mark.parametrize(
    "text", [b"+OK\r\n", b"-ERR no\r\n", b"+a\rb\r\n", b"+\r\r\n", b":-1\r\n", b"$0\r\n\r\n", b"*0\r\n", b"*-1\r\n"]
)
def test_each_kind_of_reply_is_one(text: bytes) -> None:
    assert fault(text) is None
    assert fault(*(bytes([byte]) for byte in text + text)) is None


@pytest.mark.parametrize(
    "text",
    [
        b"*257\r\n",
        b"*9999999999\r\n",
        b"*200\r\n*57\r\n",
        b"$2\r\n*9\r\n*257\r\n",
        b"*-1\r\n$-1\r\n*257\r\n",
        b"$4097\r\n",
        b"$9999999999\r\n",
        b"+" + b"x" * 4096,
        b"$4090\r\n" + b"x" * 4090,
    ],
)
def test_what_is_or_announces_too_much_is_told_at_once(text: bytes) -> None:
    assert fault(text) == LARGE
    assert fault(*(bytes([byte]) for byte in text)) == LARGE


def test_a_line_has_an_end() -> None:
    assert fault(b"+" + b"x" * 65536, most=1 << 20) is None
    assert fault(b"-" + b"x" * 65536, b"x", most=1 << 20) == "a line of more than 65536 bytes"


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"%1\r\n",
        b">1\r\n",
        b"\r\n",
        b"*+1\r\n",
        b"* 1\r\n",
        b"*1 \r\n",
        b"*1\r\r\n",
        b"*1\rx",
        b"$--1\r\n",
        b"$-2\r\n",
        b"$-12\r\n",
        b"$1-\r\n",
        b"*00000000001\r\n",
        b"*10000000000\r\n",
    ],
)
def test_what_resp2_has_not_is_none(text: bytes) -> None:
    assert fault(text) == "no reply as RESP2 has them"


def test_each_reply_is_measured_by_itself_and_nothing_comes_unasked() -> None:
    meter = Meter()
    assert meter.take(b"+OK\r\n") == "a reply of more than 0 bytes"
    meter = Meter()
    for most, good in ((5, True), (4, False)):
        meter.begin(most)
        assert (meter.take(b"+OK\r\n") is None) is good
