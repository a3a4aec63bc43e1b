"""The lane over TLS, on the loop and behind the doors that a worker has: it answers as it does without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

import uvloop
from support.certificates import authority
from support.house import House
from support.lanes import made, question, tokens

from bearerd.config import papers
from bearerd.config.model import Tls
from bearerd.serve.doors import Doors
from bearerd.serve.handshakes import Handshakes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

HERE = "127.0.0.1"
GOOD = question("nginx", "bare", tokens()["good"])
BAD = question("nginx", "bare", "a.b.c")
ELSEWHERE = b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MANY = 2_000
LITTLE = 8192  # bytes that the kernel holds of what was not read yet, so that it takes few questions to fill it
IDLE = 200


class Secured:
    """A house whose lane is reached by TLS alone."""

    def __init__(self, house: House, port: int) -> None:
        self.house, self.lane, self.port = house, house.clerk.lane, port

    async def connect(self, **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            **({"host": HERE, "port": self.port} | more), ssl=authority().client(), server_hostname=HERE
        )

    async def empty(self) -> None:
        async with asyncio.timeout(60):
            while self.lane.connections or self.house.clerk._turns.waiting:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[Secured]:
    issued = authority().issue(folder, HERE)
    async with House(made(folder), folder, lane=True) as house:
        handshakes = Handshakes(house.service.metrics)
        files = Tls(certificate_file=issued.certificate, key_file=issued.key)
        handshakes.take(papers.read(files, production=True))
        doors = Doors(house.clerk.connection, lambda: len(house.clerk.lane.connections), 1_000, handshakes)
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)  # and so of each connection's
            sock.bind((HERE, 0))
            doors.open([sock])
            try:
                yield Secured(house, sock.getsockname()[1])
            finally:
                doors.shut()
                await doors.turn_away()


def scene(folder: Path, act: Callable[[Secured], Awaitable[None]]) -> None:
    async def run() -> None:
        async with secured(folder) as here:
            await act(here)

    uvloop.run(run())


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Until the other end closes."""
    return await asyncio.wait_for(reader.read(), 60)


def half_close(writer: asyncio.StreamWriter) -> None:
    """As TCP has it, without a goodbye of TLS's."""
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as sock:
        sock.shutdown(socket.SHUT_WR)


def statuses(got: bytes) -> list[bytes]:
    return [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]


def test_pipelined_questions_are_answered_in_order_and_the_door_opens_behind_them(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        reader, writer = await here.connect()
        writer.write(GOOD + BAD + GOOD + ELSEWHERE)
        got = await everything(reader)
        assert statuses(got) == [b"200", b"401", b"200", b"404"]
        assert here.lane.answered == 3
        writer.close()

    scene(tmp_path, act)


def test_a_head_may_come_byte_by_byte_each_in_a_record_of_its_own(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        reader, writer = await here.connect()
        for byte in GOOD:
            writer.write(bytes([byte]))
            await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 ")
        (connection,) = here.lane.connections
        assert connection.peer == HERE  # and so it is trusted
        writer.close()
        await here.empty()

    scene(tmp_path, act)


def test_aiohttp_goes_on_with_a_body_that_came_in_pieces(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        reader, writer = await here.connect()
        head = b"POST /introspect HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        writer.write(GOOD + head + b"Content-Length: 60000\r\n\r\ntoken=")
        for _ in range(59_994 // 606):
            writer.write(b"a" * 606)
            await writer.drain()
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"HTTP/1.1 401 ")  # no caller
        writer.close()

    scene(tmp_path, act)


def test_a_client_that_reads_late_gets_every_answer_in_order_and_costs_little_meanwhile(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        sock.connect((HERE, here.port))
        reader, writer = await here.connect(host=None, port=None, sock=sock, limit=1024)
        writer.write((GOOD + BAD) * MANY + ELSEWHERE)
        await asyncio.sleep(0)
        answered = -1
        while answered != here.lane.answered:  # until it comes to rest
            answered = here.lane.answered
            await asyncio.sleep(0.3)
        assert answered < 2 * MANY
        got = b""
        while piece := await asyncio.wait_for(reader.read(1 << 20), 60):
            got += piece
        assert statuses(got) == [b"200", b"401"] * MANY + [b"404"]
        writer.close()

    scene(tmp_path, act)


def test_whoever_hangs_up_in_whatever_way_leaves_nothing(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        for number in range(60):
            _, writer = await here.connect()
            writer.write((b"", GOOD, BAD, GOOD[:40], ELSEWHERE)[number % 5])
            if number % 3 == 0:
                writer.close()  # says goodbye
            elif number % 3 == 1:
                writer.transport.abort()
            else:
                half_close(writer)
        await here.empty()

    scene(tmp_path, act)


def test_a_goodbye_right_behind_a_question_comes_after_its_answer(tmp_path: Path) -> None:
    def ask(port: int) -> bytes:
        with socket.create_connection((HERE, port)) as sock:
            secure = authority().client().wrap_socket(sock, server_hostname=HERE, suppress_ragged_eofs=True)
            secure.sendall(GOOD)
            with contextlib.suppress(OSError):
                answer = secure.recv(65536)
                secure.unwrap()
            return answer

    async def act(here: Secured) -> None:
        assert (await asyncio.to_thread(ask, here.port)).startswith(b"HTTP/1.1 200 ")
        await here.empty()

    scene(tmp_path, act)


def test_many_idle_connections_are_all_answered_and_all_let_go(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        many = [await here.connect() for _ in range(IDLE)]
        while len(here.lane.connections) < IDLE:
            await asyncio.sleep(0.01)
        for _, writer in many:
            writer.write(GOOD)
        for reader, _ in many:
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"HTTP/1.1 200 ")
        for connection in list(here.lane.connections):
            connection.shut()
        for reader, writer in many:
            assert await everything(reader) == b""
            writer.close()
        await here.empty()

    scene(tmp_path, act)


def test_an_answer_that_is_owed_goes_out_before_the_connection_is_closed(tmp_path: Path) -> None:
    async def act(here: Secured) -> None:
        here.lane.closing = True
        reader, writer = await here.connect()
        writer.write(GOOD + GOOD)
        got = await everything(reader)
        assert statuses(got) == [b"200"]
        assert b"\r\nConnection: close\r\n" in got
        assert isinstance(writer.get_extra_info("ssl_object"), ssl.SSLObject)
        writer.close()
        await here.empty()

    scene(tmp_path, act)
