"""Leaving with a lane: what is owed is answered, each answer says that it is the last, and nobody is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.house import House
from support.lanes import made, question, tokens
from support.line import Line, lane_line, plain_line, settle

from bearerd.serve import departure
from bearerd.serve.departure import depart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GOOD = question("nginx", "bare", tokens()["good"])


class Doors:
    def __init__(self) -> None:
        self.closed = False
        self.coming = 0

    async def turn_away(self) -> None:
        self.coming = 0

    def shut(self) -> None:
        self.closed = True

    async def shut_for_good(self, patience: float) -> None:
        self.closed = True


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(departure, "LINGER", 0.01)
    monkeypatch.setattr(departure, "STEP", 0.001)
    async with House(made(tmp_path), tmp_path, lane=True) as house:
        yield house


async def leave(house: House, patience: float, *, successor: bool = True) -> tuple[int, Doors]:
    doors: Any = Doors()
    assert house.runner.server is not None
    return await depart(house.runner.server, house.clerk, doors, patience, successor=successor), doors


@pytest.mark.parametrize("successor", [False, True])
async def test_who_is_idle_is_closed_and_nothing_is_cut_off(house: House, successor: bool) -> None:
    lines = [lane_line(house), plain_line(house), lane_line(house)]
    lines[2].feed(GOOD)
    await settle(house)
    cut, doors = await leave(house, 0.1, successor=successor)
    assert (cut, doors.closed) == (0, True)
    assert all(line.closed for line in lines)
    assert not house.clerk.lane.connections


async def test_who_asks_meanwhile_is_answered_for_the_last_time(house: House) -> None:
    lines = [lane_line(house), plain_line(house)]
    leaving = asyncio.create_task(leave(house, 5.0))
    await asyncio.sleep(0)
    for line in lines:
        line.feed(GOOD)
    assert (await leaving)[0] == 0
    for line in lines:
        assert line.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in line.sent
        assert line.closed


async def test_an_owed_answer_is_given_before_its_connection_ends(house: House) -> None:
    connection = lane_line(house)
    connection.feed(GOOD)
    waits: list[Line] = [lane_line(house) for _ in range(3)]
    for line in waits:
        line.feed(question("nginx", "scoped", tokens()["rich"]))  # its turn has not come yet
    assert (await leave(house, 5.0))[0] == 0
    for line in (connection, *waits):
        assert line.sent.count(b"HTTP/1.1 200 OK\r\n") == line.sent.count(b"\r\nConnection: close\r\n") == 1
        assert line.closed
        assert not line.aborted


async def test_whoever_does_not_read_its_last_answer_is_cut_off_and_counted(house: House) -> None:
    line = lane_line(house)
    line.feed(GOOD)
    await settle(house)
    line.stalled = True  # from the next write on
    house.clerk.lane.closing = True
    line.feed(GOOD)
    assert (await leave(house, 0.05))[0] == 1
    assert line.aborted


async def test_who_is_still_at_a_handshake_is_waited_for_and_turned_away_at_the_end(house: House) -> None:
    doors: Any = Doors()
    doors.coming = 1
    assert house.runner.server is not None
    leaving = asyncio.create_task(depart(house.runner.server, house.clerk, doors, 5.0, successor=True))
    await asyncio.sleep(0.05)
    assert not leaving.done()
    doors.coming = 0
    assert await leaving == 0
    doors.coming = 1  # mute
    assert await depart(house.runner.server, house.clerk, doors, 0.05, successor=True) == 0  # no request is cut off
    assert doors.coming == 0
