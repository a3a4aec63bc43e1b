"""The HTTP server beneath every face: bounded, and silent about what it could not read."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from support.line import Line

from bearerd import turns
from bearerd.faces import server
from bearerd.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CANARY = "eyJhbGciOiJSUzI1NiJ9.canary-7f3a.c2lnbmF0dXJl"
LIMITS = Limits(max_header_bytes=2048, max_head_bytes=4096, max_headers=20, max_token_bytes=1024)


class Wire:
    """A raw connection to a server: bytes in, bytes out."""

    def __init__(self, port: int, manager: Any) -> None:
        self.port = port
        self.manager = manager
        self.seen: list[web.BaseRequest] = []

    async def ask(self, *parts: bytes) -> bytes:
        """Send the parts one by one, and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass  # the server had enough
        data = b""
        try:
            while chunk := await asyncio.wait_for(reader.read(65536), 20):
                data += chunk
        except ConnectionError:
            pass
        writer.close()
        return data


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async def handle(request: web.BaseRequest) -> web.Response:
        made.seen.append(request)
        if server.raw_target(request) == b"/fail":
            raise ValueError(CANARY)
        if server.raw_target(request) == b"/begun":
            begun = web.StreamResponse()
            await begun.prepare(request)
            await begun.write(b"half")
            raise ValueError(CANARY)
        if server.raw_target(request) == b"/slow":
            await request.read()
            await asyncio.sleep(4 * server.HEAD_SECONDS)
        if server.raw_target(request) == b"/late":
            raise TimeoutError(CANARY)
        return web.Response(text=str(server.head_size(request)))

    runner = web.ServerRunner(server.Server(handle, **server.settings(LIMITS)))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made = Wire(runner.addresses[0][1], runner.server)
    yield made
    await runner.cleanup()


def head(*lines: bytes, target: bytes = b"/") -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: x", *lines, b"", b""])


CANARIES = {
    "NUL": b"Authorization: Bearer " + CANARY.encode() + b"\0x",
    "bare CR": b"Authorization: Bearer " + CANARY.encode() + b"\rx",
    "0x7f": b"Authorization: Bearer " + CANARY.encode() + b"\x7fx",
    "control": b"Authorization: Bearer \x01" + CANARY.encode(),
    "a colon short": b"Authorization Bearer " + CANARY.encode(),
    "a space before the colon": b"Authorization : Bearer " + CANARY.encode(),
    "a folded line": b"X: 1\r\n Authorization: Bearer " + CANARY.encode(),
    "oversize": b"Authorization: Bearer " + CANARY.encode() * 60,
    "oversize, beyond the whole head": b"Authorization: Bearer " + CANARY.encode() * 200,
    "a second Host": b"Host: " + CANARY.encode(),
    "a bad length": b"Content-Length: " + CANARY.encode(),
    "two lengths": b"Content-Length: 1\r\nContent-Length: " + CANARY.encode(),
    "in the method": b"\r\n\r\n" + CANARY.encode() + b" / HTTP/1.1",
}


@pytest.mark.parametrize("line", CANARIES.values(), ids=CANARIES.keys())
async def test_what_cannot_be_parsed_is_neither_logged_nor_sent_back(
    wire: Wire, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await wire.ask(head(line, b"Connection: close"))
    assert b"HTTP/1.1 4" in answer or b"HTTP/1.0 4" in answer
    for text in (answer.decode("latin-1"), caplog.text):
        assert "canary" not in text
        assert CANARY[:12] not in text
    assert b"aiohttp" not in answer
    assert b"Python" not in answer


async def test_what_cannot_be_parsed_is_answered_with_a_problem(wire: Wire) -> None:
    for line, status in ((b"A: \0", 400), (b"A: " + b"x" * 3000, 431)):
        top, _, body = (await wire.ask(head(line, b"Accept: text/html", b"Connection: close"))).partition(b"\r\n\r\n")
        fields = dict(field.split(": ", 1) for field in top.decode().split("\r\n")[1:])
        assert fields["Content-Type"] == "application/problem+json"
        told = {"status": status, "error": "invalid_request", "request_id": fields["X-Auth-Request-Id"]}
        assert told.items() < json.loads(body).items()


@pytest.mark.parametrize(
    "target", [CANARY.encode(), b"/\x01" + CANARY.encode(), b"/" + CANARY.encode() * 60, b"http://[" + CANARY.encode()]
)
async def test_a_bad_target_is_not_repeated(wire: Wire, target: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await wire.ask(head(b"Connection: close", target=target))
    assert "canary" not in answer.decode("latin-1")
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "lines",
    [
        [b"A: " + b"x" * 2100],
        [b"x" * 2100 + b": a"],
        [b"X-%d: 1" % number for number in range(21)],
    ],
    ids=["long value", "long name", "many fields"],
)
async def test_a_head_beyond_a_limit_is_431(wire: Wire, lines: list[bytes]) -> None:
    answer = await wire.ask(head(*lines))
    assert b" 431 " in answer.splitlines()[0]
    assert b"X-Auth-Status: 431" in answer
    assert b"X-Auth-Request-Id: " in answer
    assert not wire.seen


async def test_a_head_is_measured_to_its_last_byte(wire: Wire) -> None:
    whole = head(b"A: b", b"Connection: close")
    assert (await wire.ask(whole)).endswith(b"\r\n\r\n%d" % len(whole))


async def test_a_head_that_comes_in_pieces_is_stopped_at_its_limit(wire: Wire) -> None:
    pieces = [b"X-%d: " % number + b"x" * 900 + b"\r\n" for number in range(5)]
    answer = await wire.ask(b"GET / HTTP/1.1\r\nHost: x\r\n", *pieces)
    assert b" 431 " in answer.splitlines()[0]
    assert answer.count(b"HTTP/1.") == 1
    assert not wire.seen


async def test_a_head_within_the_limits_may_come_byte_by_byte(wire: Wire) -> None:
    request = head(b"A: " + b"x" * 40, b"Connection: close")
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    for byte in request:
        writer.write(bytes([byte]))
        await writer.drain()
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert abs(int(answer.rpartition(b"\r\n\r\n")[2]) - len(request)) < 16


async def test_bodies_do_not_count_as_heads(wire: Wire) -> None:
    body = b"x" * 9000
    request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = await wire.ask(request, *(body[at : at + 1000] for at in range(0, 9000, 1000)))
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_the_last_piece_of_a_body_is_no_head_however_long_it_is(wire: Wire) -> None:
    body = b"x" * 9000
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = await wire.ask(request, body[:100], body[100:], head(b"Connection: close"))
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", answer) == [b"200", b"200"]


CHUNKED = b"Transfer-Encoding: chunked", b"4\r\nabcd\r\n0\r\n\r\n"


@pytest.mark.parametrize(("field", "body"), [(b"Content-Length: 4", b"abcd"), CHUNKED])
async def test_an_answer_may_take_its_time_also_where_the_body_came_behind_its_head(
    wire: Wire, field: bytes, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    request = b"POST /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n" % field
    assert (await wire.ask(request, body[:2], body[2:])).startswith(b"HTTP/1.1 200 ")


async def test_a_head_whose_beginning_came_with_the_end_of_a_body_is_not_waited_for(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    answer = await wire.ask(request, b"ab", b"cdGET / HTTP/1.1\r\nHost:")
    assert answer.count(b"HTTP/1.1 200 OK") == 1


async def test_requests_behind_one_another_are_answered_in_order(wire: Wire) -> None:
    answer = await wire.ask(head() + head(b"X: 1") + head(b"Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost:", b"G", b""])
async def test_a_head_that_is_slow_to_come_ends_its_connection(
    wire: Wire, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    answer = await wire.ask(begun)
    assert answer == b""
    assert not wire.seen


@pytest.mark.parametrize("before", [b"", head(), head() + head(target=b"/x?y")])
@pytest.mark.parametrize("line", [b"CONNECT \r\n\r\n", b"CONNECT \r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"])
@pytest.mark.parametrize("apart", [False, True])
async def test_a_request_without_a_target_is_refused_and_never_takes_the_one_before(
    wire: Wire, before: bytes, line: bytes, apart: bool
) -> None:
    answer = await wire.ask(*([before, line] if apart else [before + line]))
    assert re.findall(rb"HTTP/1\.[01] (\d+)", answer) == [b"200"] * before.count(b"GET") + [b"400"]
    assert len(wire.seen) == before.count(b"GET")


async def test_a_connection_whose_server_fails_is_closed(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """A fault outside of any handler would leave it open for ever, with nobody to answer."""

    def fails(*_: object) -> None:
        raise ValueError(CANARY)

    wire.manager.request_factory = fails
    assert await wire.ask(head()) == b""
    assert "canary" not in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("target", [b"/fail", b"/late"])
async def test_a_handler_that_fails_ends_as_503_without_its_words(
    wire: Wire, target: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await wire.ask(head(target=target))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"canary" not in answer
    assert "canary" not in caplog.text


async def test_an_answer_that_was_begun_is_not_begun_again(wire: Wire) -> None:
    answer = await wire.ask(head(target=b"/begun"))
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\n", *(b"X-%d: " % number + b"x" * 1000 + b"\r\n" for number in range(5)), b"\r\n"],
        [b"GET / HTTP/1.1\r\nX: \0\r\n\r\n", b"GET / HTTP/1.1\r\nX: \0\r\n\r\n", b"more"],
    ],
    ids=["too large", "bad"],
)
async def test_what_comes_after_a_refused_head_is_not_read(wire: Wire, pieces: list[bytes]) -> None:
    handler = server.Handler(
        server.Server(lambda request: None, **server.settings(LIMITS)),  # type: ignore[arg-type, return-value]
        loop=asyncio.get_running_loop(),
        **server.settings(LIMITS),
    )
    for piece in pieces:
        handler.data_received(piece)
    assert len(handler._messages) == 1
    handler.connection_lost(None)


async def test_an_application_of_ours_runs_on_the_same_server(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "APP_IDLE_SECONDS", 0.2)

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/hello", hello)
    runner = server.app_runner(application, LIMITS)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    wire = Wire(runner.addresses[0][1], runner.server)
    assert b"hello" in await wire.ask(head(target=b"/hello"))  # and then it is idle for too long
    answer = await wire.ask(head(CANARIES["NUL"]))
    assert b" 400 " in answer.splitlines()[0]
    assert b"canary" not in answer
    assert "canary" not in caplog.text
    await runner.cleanup()


@pytest.mark.parametrize("trailer", [b"Authorization: Bearer " + CANARY.encode(), b"X: 1\r\nX-Forwarded-Uri: /open"])
@pytest.mark.parametrize("apart", [False, True])
async def test_a_trailer_is_no_field_of_the_request_behind_it(wire: Wire, trailer: bytes, apart: bool) -> None:
    """aiohttp's parser takes the last one for the first field of the next request: none is read behind it."""
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + trailer + b"\r\n\r\n"
    answer = await wire.ask(*([chunked, head()] if apart else [chunked + head()]))
    assert [request.method for request in wire.seen] == ["POST"]
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in answer


async def test_what_comes_with_a_request_to_become_something_else_is_not_lost_unsaid(wire: Wire) -> None:
    answer = await wire.ask(head(b"Connection: upgrade", b"Upgrade: h2c") + head())
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("target", [b"/much", b"/last"])
async def test_who_reads_nothing_of_its_answers_is_not_kept(
    wire: Wire, target: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp waits for it without end: while it answers, and while it closes."""
    monkeypatch.setattr(server, "STALLED_SECONDS", 0.3)

    async def much(request: web.BaseRequest) -> web.Response:
        answer = web.Response(body=bytes(16 << 20))
        if target == b"/last":
            answer.force_close()
        return answer

    wire.manager.request_handler = much
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port, limit=1)
    writer.write(head(target=target))
    for _ in range(400):
        await asyncio.sleep(0.01)
        if wire.manager.requests_count and not wire.manager.connections:
            break
    assert wire.manager.requests_count == 1
    assert not wire.manager.connections
    writer.close()


async def test_of_those_that_send_many_requests_at_once_each_is_answered_in_turn(wire: Wire) -> None:
    crowd = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(5)]
    for number, (_, writer) in enumerate(crowd):
        writer.write(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number * 20)
    async with asyncio.timeout(20):
        while len(wire.seen) < 100:
            await asyncio.sleep(0)
    for _, writer in crowd:
        writer.close()
    order = [int(server.raw_target(request)[1:]) for request in wire.seen]
    early = [order.count(number) - order[50:].count(number) for number in range(5)]
    assert min(early) >= 5, order


async def test_requests_behind_many_whose_bodies_came_later_are_answered(wire: Wire) -> None:
    """aiohttp's parser counts those as under way for ever, and stops after each request where it counts many."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    for number in range(40):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        while len(wire.seen) == number:
            await asyncio.sleep(0.001)
        writer.write(b"x")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        await asyncio.wait_for(reader.readexactly(2), 30)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    while len(wire.seen) == 40:
        await asyncio.sleep(0.001)
    writer.write(b"x" + head() * 100)
    said = b""
    while said.count(b"HTTP/1.1 200") < 101:
        more = await asyncio.wait_for(reader.read(65536), 30)
        assert more
        said += more
    writer.close()


# ---- a crowd of what is long


class Clock:
    """Time passes only while something is parsed."""

    now = 0.0

    def boot(self) -> float:
        return self.now


@pytest.fixture
def parsed(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much was read in each turn of the loop; each read takes all that there is for such in one."""
    clock, sizes, take = Clock(), [0], server.Handler._take
    monkeypatch.setattr(turns, "clock", clock)

    def slow(handler: server.Handler, data: bytes) -> None:
        sizes[-1] += 1
        clock.now += turns.SLICE
        take(handler, data)

    monkeypatch.setattr(server.Handler, "_take", slow)
    return sizes


def lines(wire: Wire, count: int) -> list[Line]:
    return [Line(wire.manager()) for _ in range(count)]


async def until(claim: Callable[[], bool], sizes: list[int]) -> None:
    async with asyncio.timeout(30):
        while not claim():
            sizes.append(0)
            await asyncio.sleep(0)


LONG = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (2 * server.LARGE) + bytes(2 * server.LARGE)


async def test_a_crowd_of_long_reads_has_no_turn_of_the_loop_to_itself(wire: Wire, parsed: list[int]) -> None:
    crowd = lines(wire, 20)
    for line in crowd:
        line.feed(LONG)
    assert parsed[-1] == 1
    other = lines(wire, 1)[0]
    other.feed(head())
    assert parsed[-1] == 2  # what is short does not wait
    await until(lambda: all(line.sent for line in [*crowd, other]), parsed)
    assert max(parsed[1:]) == 1
    assert all(line.reading and not line.closed for line in crowd)
    for line in crowd:
        line.feed(head())
    await until(lambda: all(line.sent.count(b"HTTP/1.1 200") == 2 for line in crowd), parsed)


async def test_what_arrives_behind_what_waits_waits_behind_it(wire: Wire, parsed: list[int]) -> None:
    first, line, gone = lines(wire, 3)
    first.feed(LONG)
    line.feed(LONG[:-1])
    gone.feed(LONG)
    assert (line.reading, gone.reading) == (False, False)
    handler: Any = line.get_protocol()
    handler.resume_reading()  # as aiohttp does, whoever made it rest
    line.feed(LONG[-1:] + head() + head()[:5])
    assert (line.reading, handler.rested()) == (False, 0.0)
    gone.hang_up()
    await until(lambda: line.sent.count(b"HTTP/1.1 200") == 2, parsed)
    line.feed(head()[5:])
    await until(lambda: line.sent.count(b"HTTP/1.1 200") == 3, parsed)
    assert not gone.sent


async def test_a_head_that_waits_for_its_turn_is_not_late_and_one_that_lacks_something_is(
    wire: Wire, parsed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.0)
    crowd = lines(wire, 12)
    for line in crowd:
        line.feed(LONG)
    await until(lambda: all(line.sent for line in crowd), parsed)
    assert not any(line.closed for line in crowd)
    crowd[0].feed(head()[:-2])
    await until(lambda: crowd[0].closed, parsed)


async def test_a_read_that_fails_in_its_turn_ends_its_connection(
    wire: Wire, parsed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    take, faults = server.Handler._take, list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    first, line, behind = lines(wire, 3)

    def fail(handler: server.Handler, data: bytes) -> None:
        if handler is line.get_protocol():
            raise ValueError(CANARY)
        take(handler, data)

    monkeypatch.setattr(server.Handler, "_take", fail)
    for each in (first, line, behind):
        each.feed(LONG)
    await until(lambda: bool(line.closed and behind.sent), parsed)
    assert len(faults) == 1
