"""Heads that two readers could read in two ways: none is an allow, and none becomes two requests."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from support.house import API, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

RULES = ({"path": "/open", "auth": "none"}, {"path": "/maybe", "auth": "optional"}, {"path": "/**"})
TABLES = {"resource": {"api": {"identifier": API, "gateway": ["forwarded", "envoy"], "rule": RULES}}}
ASKED = b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /x\r\n"
MAYBE = b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /maybe\r\n"
GOOD = b"Authorization: Bearer " + token().encode() + b"\r\n"
HELLO = b"GET /auth/api HTTP/1.1\r\nHost: a\r\n"
AGAIN = HELLO + ASKED + GOOD + b"\r\n"
LAST = b"GET /introspect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"  # 405


async def statuses(house: House, data: bytes, last: bytes = LAST) -> list[int]:
    """The statuses of all answers to these bytes on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(data + last)
    answers = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert token().encode()[:40] not in answers
    found = [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answers, re.MULTILINE)]
    return found[:-1] if found[-1] == 405 else found


HEADS = {
    "a field folded over two lines": HELLO + ASKED + GOOD.replace(b"Bearer ", b"Bearer\r\n "),
    "a credential hidden in a fold": HELLO + MAYBE + b"A: b\r\n " + GOOD,
    "a space before the colon": HELLO + MAYBE + GOOD.replace(b":", b" :", 1),
    "a bare carriage return": HELLO + ASKED + b"A: b\rAuthorization: Bearer x\r\n" + GOOD,
    "bare line feeds": (HELLO + ASKED + GOOD).replace(b"\r\n", b"\n"),
    "a NUL in the credential": HELLO + ASKED + GOOD.replace(b"\r\n", b"\0\r\n"),
    "two Host fields": HELLO + b"Host: b\r\n" + ASKED + GOOD,
    "tabs in the request line": HELLO.replace(b" ", b"\t", 1) + ASKED + GOOD,
    "two lengths": HELLO + b"Content-Length: 0\r\nContent-Length: 0\r\n" + ASKED + GOOD,
    "a signed length": HELLO + b"Content-Length: +0\r\n" + ASKED + GOOD,
    "a length and chunks": HELLO + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + ASKED + GOOD,
    "chunks within another coding": HELLO + b"Transfer-Encoding: chunked, identity\r\n" + ASKED + GOOD,
    "HTTP/2 on a plain connection": b"PRI * HTTP/2.0\r\n",
}


@pytest.mark.parametrize("name", HEADS)
async def test_a_head_with_two_readings_is_400_and_ends_the_connection(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        assert await statuses(house, HEADS[name] + b"\r\n0\r\n\r\n" + AGAIN) == [400]


TARGETS = [b"http://a/auth/api", b"/auth/%61pi", b"/auth/api;x", b"/auth/api#/open", b"/AUTH/api", b"//auth/api", b"*"]


@pytest.mark.parametrize("target", TARGETS)
async def test_only_the_exact_bytes_of_a_target_reach_a_resource(tmp_path: Path, target: bytes) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        (status,) = await statuses(house, AGAIN.replace(b"/auth/api", target))
        assert status in (400, 404)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: %d\r\n" % len(AGAIN), AGAIN),
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(AGAIN), AGAIN)),
    ],
    ids=["length", "chunks"],
)
async def test_a_body_is_never_read_as_a_request(tmp_path: Path, head: bytes, body: bytes) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        asked = HELLO.replace(b"GET", b"POST", 1) + ASKED + head + b"\r\n" + body
        assert await statuses(house, asked) == [401]
        # Behind chunks, whose trailers aiohttp would take for fields of the next request, nothing is read at all.
        assert await statuses(house, asked + AGAIN) == ([401] if b"chunked" in head else [401, 200])


TRAILERS = [GOOD, b"X-Forwarded-Uri: /open\r\n", b"X: 1\r\n" + GOOD, b"Content-Length: 5\r\n"]
FIRST = [(HELLO, 401), (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n", 404)]


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize(("first", "status"), FIRST)
async def test_a_trailer_is_nobodys_field(tmp_path: Path, first: bytes, status: int, trailer: bytes) -> None:
    """Of this request it comes too late, and of the next one too early."""
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        chunks = b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + trailer + b"\r\n"
        asked = first.replace(b"GET", b"POST", 1) + ASKED + chunks
        nobody = HELLO + b"X-Forwarded-Method: GET\r\n\r\n"
        for behind in (nobody, HELLO + ASKED + b"\r\n"):
            # aiohttp refuses a length behind chunks, and what is malformed spoils all that came in one read.
            assert await statuses(house, asked + behind) == [400 if b"Content-Length" in trailer else status]


@pytest.mark.parametrize("more", [b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Expect: 100-continue\r\n"])
async def test_a_request_to_become_something_else_is_judged_like_any_other(tmp_path: Path, more: bytes) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        assert (await statuses(house, HELLO + ASKED + more + b"\r\n"))[-1] == 401
        assert (await statuses(house, HELLO + ASKED + more + GOOD + b"\r\n"))[-1] == 200


async def test_http_1_0_is_judged_like_1_1(tmp_path: Path) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        old = AGAIN.replace(b"HTTP/1.1\r\nHost: a", b"HTTP/1.0")
        assert await statuses(house, old, b"") == [200]
        assert await statuses(house, old.replace(GOOD, b""), b"") == [401]
