"""Server-sent events: however a stream is cut, the same events come out, and what is not changed goes on as it came."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.mcp.events import Events, TooLong, message_of, with_data

STREAM = b": hello\n\nid: 1\nevent: message\ndata: {\ndata: }\n\ndata:x\r\n\r\ndata: y\r\rid\n\n"
WHOLE = [b": hello\n\n", b"id: 1\nevent: message\ndata: {\ndata: }\n\n", b"data:x\r\n\r\n", b"data: y\r\r", b"id\n\n"]


def cut(stream: bytes, places: list[int], most: int = 1000) -> list[bytes]:
    events, found, edges = Events(most), [], [0, *sorted(places), len(stream)]
    for start, end in pairwise(edges):
        found += events.feed(stream[start:end])
    assert events.rest() == b""
    return found


@given(st.lists(st.integers(0, len(STREAM))))
def test_however_it_arrives_the_same_events_come_out(places: list[int]) -> None:
    assert cut(STREAM, places) == WHOLE


@given(st.lists(st.integers(0, 26)))
def test_a_line_ends_in_three_ways_and_two_of_them_end_an_event(places: list[int]) -> None:
    stream = b"data: a\r\n\ndata: b\n\r\ndata: c"
    events, found, edges = Events(100), [], [0, *sorted(places), len(stream)]
    for start, end in pairwise(edges):
        found += events.feed(stream[start:end])
    assert found == [b"data: a\r\n\n", b"data: b\n\r\n"]
    assert events.rest() == b"data: c"


@given(st.lists(st.integers(0, 30)))
def test_a_carriage_return_before_a_pair_ends_a_line_of_its_own(places: list[int]) -> None:
    assert cut(b"data: a\r\r\nevent: x\r\n\r\n", places) == [b"data: a\r\r\n", b"event: x\r\n\r\n"]


@given(st.lists(st.integers(0, 18)), st.integers(2, 4))
def test_no_stream_goes_on_that_begins_with_a_byte_order_mark(places: list[int], marks: int) -> None:
    stream = b"\xef\xbb\xbf" * marks + b"data: z\n\n"  # of two, the second would be the first for the client
    assert cut(stream, places) == [b"data: z\n\n"]


def test_data_is_its_lines_joined() -> None:
    assert [message_of(event) for event in WHOLE] == [None, b"{\n}", b"x", b"y", None]
    assert message_of(b"\xef\xbb\xbfdata: z\n\n") is None  # a byte order mark is one only where the stream begins
    assert cut(b"\n\n\xef\xbb\xbfdata: z\n\n", [2]) == [b"\n\n", b"\xef\xbb\xbfdata: z\n\n"]
    assert cut(b"\xef\xbb\xbfdata: z\n\n", [1, 2]) == [b"data: z\n\n"]
    assert message_of(b"data\n\n") == b""
    assert message_of(b"event: endpoint\ndata: /messages\n\n") is None
    assert message_of(b"event: endpoint\nevent: message\ndata: 1\n\n") == b"1"  # the last one counts
    assert message_of(b"event:\ndata: 1\n\n") == b"1"
    assert message_of(b"data:  two\n\n") == b" two"  # one space is the separator's


def test_other_data_stands_under_the_same_id() -> None:
    assert with_data(WHOLE[1], b"[]") == b"id: 1\nevent: message\ndata: []\n\n"
    assert with_data(b"retry: 5\r\ndata: a\r\nother: b\r\n\r\n", b"1\n2") == b"retry: 5\ndata: 1\ndata: 2\n\n"
    assert message_of(with_data(WHOLE[1], b"a\r\nb")) == b"a\nb"


def test_an_event_that_is_too_long_ends_it_whether_it_has_ended_or_not() -> None:
    assert Events(10).feed(b"data: 12\n\n") == [b"data: 12\n\n"]
    with pytest.raises(TooLong):
        Events(10).feed(b"data: 123\n\n")
    with pytest.raises(TooLong):
        Events(10).feed(b"data: 123456")
