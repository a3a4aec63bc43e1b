"""The lane on real sockets, under the loop that a worker runs."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import uvloop
from support.house import House
from support.lanes import made, question, tokens

if TYPE_CHECKING:
    from pathlib import Path

GOOD = question("nginx", "bare", tokens()["good"])
BAD = question("nginx", "bare", "a.b.c")
ELSEWHERE = b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MANY = 10_000


def test_a_client_that_reads_late_gets_every_answer_in_order_and_costs_little_meanwhile(tmp_path: Path) -> None:
    async def run() -> None:
        async with House(made(tmp_path), tmp_path, lane=True) as house:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that the kernel holds little of it
            sock.connect(("127.0.0.1", house.lane_port))
            reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
            sent = (GOOD + BAD) * MANY + ELSEWHERE
            writer.write(sent)
            await asyncio.sleep(0)
            answered = -1
            while answered != house.clerk.lane.answered:  # until it comes to rest
                answered = house.clerk.lane.answered
                await asyncio.sleep(0.3)
            assert answered < 2 * MANY
            (connection,) = house.clerk.lane.connections
            assert connection.peer == "127.0.0.1"
            got = await asyncio.wait_for(reader.read(), 60)
            while piece := await asyncio.wait_for(reader.read(), 60):
                got += piece
            statuses = [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]
            assert statuses == [b"200", b"401"] * MANY + [b"404"]
            writer.close()

    uvloop.run(run())


def test_connections_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with House(made(tmp_path), tmp_path, lane=True) as house:
            for number in range(200):
                _, writer = await asyncio.open_connection("127.0.0.1", house.lane_port)
                writer.write((b"", GOOD, BAD, GOOD[:40], ELSEWHERE)[number % 5])
                writer.close()
            while house.clerk.lane.connections or house.clerk._turns.waiting:
                await asyncio.sleep(0.01)

    uvloop.run(run())
