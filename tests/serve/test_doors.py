"""Accepting: no more than the limit, and nothing lost while the doors are shut."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bearerd.serve import doors as module
from bearerd.serve.doors import Doors


class Server:
    """Counts its connections, as aiohttp's does."""

    def __init__(self) -> None:
        self.connections: set[asyncio.BaseTransport] = set()

    def __call__(self) -> asyncio.Protocol:
        server = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport
                server.connections.add(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                server.connections.discard(self.transport)

        return Connection()


def bound() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


@contextlib.asynccontextmanager
async def house(most: int = 1000) -> AsyncIterator[tuple[Doors, Server, socket.socket]]:
    server = Server()
    doors = Doors(server, lambda: len(server.connections), most)
    with bound() as sock:
        yield doors, server, sock
        doors.shut()
        for transport in list(server.connections):
            transport.close()


async def until(claim: Any) -> None:
    async with asyncio.timeout(30):
        while not claim():
            await asyncio.sleep(0.005)


def connect(sock: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(sock.getsockname()) for _ in range(count)]


async def test_what_arrives_while_the_doors_are_shut_waits_for_whoever_opens_next() -> None:
    async with house() as (doors, server, sock):
        doors.open([sock])
        first = connect(sock, 3)
        await until(lambda: len(server.connections) == 3)
        doors.shut()
        second = connect(sock, 5)
        await asyncio.sleep(0.05)
        assert len(server.connections) == 3
        other = Server()
        Doors(other, lambda: len(other.connections), 10).open([sock])
        await until(lambda: len(other.connections) == 5)
        asyncio.get_running_loop().remove_reader(sock)
        for client in first + second:
            client.close()
        await until(lambda: not server.connections and not other.connections)


async def test_no_more_than_the_limit_are_taken_and_the_rest_are_when_there_is_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(most=10) as (doors, server, sock):
        doors.open([sock])
        clients = connect(sock, 25)  # all connect: the kernel holds those that are not taken
        most = 0
        while clients:
            await until(lambda: len(server.connections) == min(10, len(clients)))
            most = max(most, len(server.connections))
            for _ in range(5):
                clients.pop(0).close()
        assert most == 10
        await until(lambda: not server.connections)
        full = [record for record in caplog.records if "max_connections" in record.message]
        assert 1 <= len(full) <= 5  # told, and not for each look


async def test_shut_for_good_takes_what_has_already_arrived() -> None:
    async with house() as (doors, server, sock):
        doors.open([sock])
        clients = connect(sock, 100)
        await doors.shut_for_good(30.0)
        await until(lambda: len(server.connections) == 100)
        for client in clients:
            client.close()


async def test_a_kernel_without_room_is_left_in_peace_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STARVED_SECONDS", 0.01)
    refusals = [OSError(errno.EMFILE, "too many files"), OSError(errno.ECONNABORTED, "gone")]

    class Starved(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            if refusals:
                raise refusals.pop(0)
            return super().accept()

    server = Server()
    doors = Doors(server, lambda: len(server.connections), 10)
    with Starved() as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        doors.open([sock])
        clients = connect(sock, 2)
        await until(lambda: len(server.connections) == 2)
        assert refusals == []
        assert [record for record in caplog.records if "no room" in record.message]
        doors.shut()
        for client in clients:
            client.close()
        await until(lambda: not server.connections)


async def test_doors_shut_while_they_rest_stay_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_SECONDS", 0.01)
    async with house(most=1) as (doors, server, sock):
        doors.open([sock])
        clients = connect(sock, 2)
        await until(lambda: len(server.connections) == 1 and doors._retry is not None)
        doors.shut()
        clients.pop(0).close()
        await until(lambda: not server.connections)
        await asyncio.sleep(0.05)
        assert not server.connections
        clients.pop().close()


async def test_a_connection_is_made_with_what_its_listener_fixes() -> None:
    made: list[tuple[str, ...]] = []

    def factory(*fixed: str) -> asyncio.Protocol:
        made.append(fixed)
        return asyncio.Protocol()

    with bound() as plain, bound() as fixing:
        doors = Doors(factory, lambda: 0, 10, dialects={fixing: "nginx"})
        doors.open([plain, fixing])
        for sock, expected in ((plain, ()), (fixing, ("nginx",)), (plain, ())):
            clients = connect(sock, 1)
            await until(lambda: made)
            assert made.pop() == expected
            clients[0].close()
        doors.shut()
