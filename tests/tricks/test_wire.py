"""Who sends, and who takes notes: over a real socket, bounded."""

from __future__ import annotations

import asyncio

import pytest

from bearerd.tricks import wire
from bearerd.tricks.mirror import Believes, Mirror

BOTH = b"POST /a HTTP/1.1\r\nTrick-Tag: 1\r\nContent-Length: 46\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
SECOND = b"GET /b HTTP/1.1\r\nTrick-Tag: 1\r\nConnection: close\r\n\r\n"


async def noted(data: bytes, believes: Believes = "transfer-encoding") -> list[bytes]:
    """The request lines that the upstream found."""
    mirror = Mirror(believes)
    port = await mirror.start()
    try:
        await wire.send("127.0.0.1", port, data, seconds=0.5)
        return [seen.head.split(b"\r\n")[0] for seen in mirror.take("1")]
    finally:
        await mirror.close()


async def test_two_lengths_are_two_requests_to_one_and_one_to_the_other() -> None:
    assert await noted(BOTH + SECOND) == [b"POST /a HTTP/1.1", b"GET /b HTTP/1.1"]
    assert await noted(BOTH + SECOND, "content-length") == [b"POST /a HTTP/1.1"]


async def test_who_reads_no_bodies_finds_a_request_in_one() -> None:
    data = b"GET /a HTTP/1.1\r\nTrick-Tag: 1\r\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND
    assert await noted(data) == [b"GET /a HTTP/1.1"]
    assert await noted(data, "nothing") == [b"GET /a HTTP/1.1", b"GET /b HTTP/1.1"]


async def test_trailers_are_noted_with_the_head() -> None:
    mirror = Mirror()
    port = await mirror.start()
    data = b"POST / HTTP/1.1\r\nTrick-Tag: 1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n"
    answers = await wire.send("127.0.0.1", port, data)
    await mirror.close()
    assert [answer.status for answer in answers] == [200]
    assert [seen.trailers for seen in mirror.take("1")] == [b"A: b\r\n"]


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    assert await wire.send("127.0.0.1", port, b"x", seconds=0.1) == []
    silent.close()


async def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError):
        await wire.send("127.0.0.1", 1, b"x")


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (b"", []),
        (b"nonsense", []),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", [200, 401]),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", [200]),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 403 No\r\n\r\n",
            [200, 403],
        ),
        (b"HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", [204, 200]),
    ],
)
def test_answers_are_read_one_after_the_other(data: bytes, statuses: list[int]) -> None:
    assert [answer.status for answer in wire.answers(data)] == statuses


def test_what_follows_the_answer_to_a_head_is_the_next_answer() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
    assert [answer.body for answer in wire.answers(data, to_head=True)] == [b"", b"secret"]
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert [answer.body for answer in wire.answers(hint + data, to_head=True)] == [b"", b"secret"]
    assert [answer.body for answer in wire.answers(data)] == [b"HTTP/1.1 "]  # of a GET it is a body
