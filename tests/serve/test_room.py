"""Room for who waits: who has rested longest goes, and nobody who is owed an answer or has asked a moment ago."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from support.house import House
from support.lanes import made, question, tokens
from support.line import lane_line, plain_line, settle

from bearerd.faces.server import handlers
from bearerd.serve import doors, room
from bearerd.serve.doors import Doors
from bearerd.serve.listeners import bind_alone
from bearerd.serve.room import make_room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from support.line import Line

    from bearerd.serve.room import Resting

GOOD = question("nginx", "bare", tokens()["good"])
WAITS = question("nginx", "scoped", tokens()["rich"])
KINDS: dict[str, Callable[[House], Line]] = {"lane": lane_line, "aiohttp": plain_line}
LONG = 0.05  # seconds


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(room, "RESTED_SECONDS", LONG)
    async with House(made(tmp_path), tmp_path, lane=True) as house:
        yield house


def everybody(house: House) -> list[Resting]:
    assert house.runner.server is not None
    return [*house.clerk.lane.connections, *handlers(house.runner.server)]


@pytest.mark.parametrize("kind", KINDS)
async def test_of_those_that_have_rested_for_long_the_longest_go_a_share_at_a_time(house: House, kind: str) -> None:
    lines = []
    for _ in range(3 * room.SHARE):
        lines.append(KINDS[kind](house))
        lines[-1].feed(GOOD)
        await settle(house)
    await asyncio.sleep(2 * LONG)
    for line in lines[::2]:
        line.feed(GOOD)
    await settle(house)
    assert make_room(everybody(house)) == 3
    assert [line.closed for line in lines[1::2]] == [True] * 3 + [False] * (len(lines) // 2 - 3)
    assert not any(line.closed for line in lines[::2])


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_is_closed_who_is_owed_an_answer_or_is_about_to_ask(house: House, kind: str) -> None:
    early, asks, begins = (KINDS[kind](house) for _ in range(3))
    begins.feed(GOOD[:-2])
    await asyncio.sleep(2 * LONG)
    late = KINDS[kind](house)
    asks.feed(WAITS)
    for _ in range(3):
        make_room(everybody(house))
    assert early.closed
    assert not late.closed
    begins.feed(GOOD[-2:])
    await settle(house)
    for line in (asks, begins):
        assert line.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert not line.closed


async def test_the_full_door_asks_for_room_and_those_who_wait_get_it(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doors, "ROOM_SECONDS", 0.01)
    most, ours = 8, house.clerk.lane.connections
    there = Doors(house.clerk.connection, lambda: len(ours), most, make_room=lambda: make_room([*ours]))
    (sock,) = bind_alone("127.0.0.1:0")
    there.open([sock])
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sock.close)
        stack.callback(there.shut)
        silent = [await asyncio.open_connection(*sock.getsockname()) for _ in range(most)]
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        for _, other in [*silent, (reader, writer)]:
            stack.callback(other.close)
        writer.write(GOOD)
        async with asyncio.timeout(30):
            assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
            assert await silent[0][0].read() == b""
        assert len(ours) <= most
    assert any("closed" in record.__dict__ for record in caplog.records)


async def test_nobody_has_to_go_as_long_as_nobody_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "ROOM_SECONDS", 0.01)
    most, ours, asked = 8, house.clerk.lane.connections, []
    there = Doors(house.clerk.connection, lambda: len(ours), most, make_room=lambda: asked.append(len(ours)))
    (sock,) = bind_alone("127.0.0.1:0")
    there.open([sock])
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sock.close)
        stack.callback(there.shut)
        for number in range(most + 1):
            assert not asked
            _, writer = await asyncio.open_connection(*sock.getsockname())
            stack.callback(writer.close)
            await asyncio.sleep(0.1)
            assert len(ours) == min(number + 1, most)
        assert asked
