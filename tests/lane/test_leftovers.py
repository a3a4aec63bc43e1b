"""What is left over: whose turn comes when, by a lane that says what known tokens took."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.house import House, token
from support.lanes import made, question
from support.line import lane_line, settle

from bearerd.lane import leftovers
from bearerd.lane.leftovers import Leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE = 2.0**-13  # seconds that a connection takes: sums of it are exact
SLICE = 16 * ONE


class Lane:
    """Known tokens come as the test says."""

    def __init__(self) -> None:
        self.allowed = self.turns = 0
        self.full = self.closing = self.outside = False

    def turned(self) -> None:
        self.turns += 1


class World:
    """A clock that moves where a connection is served, and connections that take so long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.served = 0.0, list[str]()
        self.lane, self.failed = Lane(), list[tuple[Any, Exception]]()
        monkeypatch.setattr(leftovers.clock, "boot", lambda: self.now)
        monkeypatch.setattr(leftovers, "SLICE", SLICE)
        monkeypatch.setattr(leftovers, "BACK_SHARE", 0.125)
        monkeypatch.setattr(leftovers, "AWAY_SHARE", 0.25)
        lane: Any = self.lane
        self.left = Leftovers(lane, lambda connection, error: self.failed.append((connection, error)))

    def connection(
        self, name: str, seconds: float = ONE, *, fault: bool = False, then: Callable[[], None] = lambda: None
    ) -> Any:
        world = self

        class Connection:
            since = world.now

            def more(self) -> None:
                world.now += seconds
                world.served.append(name)
                then()
                if fault:
                    raise RuntimeError(name)

        return Connection()

    def back(self, connection: Any) -> None:
        self.left.stand_back(connection, away=False)

    def away(self, connection: Any) -> None:
        self.left.stand_back(connection, away=True)

    async def turn(self, known: float = 0.0) -> None:
        """One turn of the loop, in which known tokens took so long, or none came."""
        self.lane.allowed += known > 0
        self.now += known
        await asyncio.sleep(0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_who_stands_back_has_a_share_while_known_tokens_come(world: World) -> None:
    for number in range(40):
        world.back(world.connection(f"{number}"))
    for _ in range(16):
        await world.turn(known=4 * ONE)  # an eighth of it is half of what one takes
    assert world.served == [f"{number}" for number in range(8)]


async def test_what_was_too_much_is_paid_back(world: World) -> None:
    world.back(world.connection("dear", 9 * ONE))
    world.back(world.connection("next"))
    await world.turn(known=8 * ONE)
    assert world.served == ["dear"]
    for _ in range(8):  # of which one share was granted, and eight are owed
        await world.turn(known=8 * ONE)
    assert world.served == ["dear"]
    await world.turn(known=8 * ONE)
    assert world.served == ["dear", "next"]


async def test_where_no_known_token_came_in_a_turn_all_of_it_is_theirs(world: World) -> None:
    for number in range(60):
        world.back(world.connection(f"{number}"))
    await world.turn(known=ONE)
    assert len(world.served) == 1
    await world.turn()
    assert len(world.served) == 1 + 16
    await world.turn()
    assert len(world.served) == 1 + 32


async def test_a_long_silence_is_not_saved_up(world: World) -> None:
    world.now += 60.0
    for number in range(60):
        world.back(world.connection(f"{number}"))
    await world.turn(known=1.0)
    assert len(world.served) == 16


async def test_who_finds_no_room_for_half_a_second_is_told_so_in_a_share_of_the_time(world: World) -> None:
    world.lane.full = True
    for number in range(40):
        world.away(world.connection(f"{number}"))
    world.now += leftovers.AWAY_SECONDS - SLICE
    await world.turn()
    assert world.served == []
    world.now += SLICE
    await world.turn()
    assert len(world.served) == 16  # what was saved up
    for _ in range(8):
        world.now += 2 * ONE  # a quarter of it is half of what one takes
        await world.turn()
    assert world.served == [f"{number}" for number in range(16 + 4)]


async def test_where_there_is_room_again_who_came_first_has_it(world: World) -> None:
    def fill() -> None:
        world.lane.full = len(world.served) >= 5

    world.lane.full = True
    for number in range(60):
        world.away(world.connection(f"{number}", then=fill))
    await world.turn()
    assert world.served == []
    world.lane.full = False
    await world.turn()
    assert world.served == [f"{number}" for number in range(5)]
    world.lane.closing = True  # whoever is left is told so before the end
    await world.turn()
    assert len(world.served) == 5 + 16


async def test_whoever_comes_stands_behind_those_that_found_no_room_as_long_as_there_are_any(world: World) -> None:
    world.lane.full = True
    for number in range(20):
        world.away(world.connection(f"{number}"))
    assert world.lane.outside
    await world.turn()
    assert world.lane.outside
    world.lane.full = False
    await world.turn()
    assert (len(world.served), world.lane.outside) == (16, True)
    await world.turn()
    assert (len(world.served), world.lane.outside) == (20, False)


async def test_a_crowd_that_finds_room_again_has_a_slice_of_a_turn(world: World) -> None:
    for number in range(60):
        world.away(world.connection(f"{number}"))
    await world.turn()
    assert len(world.served) == 16


async def test_who_has_more_to_ask_has_a_slice_whoever_comes(world: World) -> None:
    for number in range(30):
        world.left.later(world.connection(f"{number}"))
    await world.turn(known=ONE)
    assert len(world.served) == 16
    await world.turn(known=ONE)
    assert (len(world.served), world.left.waiting) == (30, 0)


async def test_a_fault_meets_one_connection_and_nobody_behind(world: World) -> None:
    bad = world.connection("bad", fault=True)
    for queue in (world.back, world.left.later):
        queue(bad)
        queue(world.connection("good"))
    await world.turn()
    assert world.served == ["bad", "good", "bad", "good"]
    assert [(who, str(error)) for who, error in world.failed] == [(bad, "bad")] * 2
    assert world.left.waiting == 0


async def test_nobody_turns_in_vain_and_each_turn_is_told_to_the_lane(world: World) -> None:
    world.back(world.connection("one"))
    for _ in range(5):
        await world.turn()
    assert (world.lane.turns, world.left._next) == (1, None)
    world.left.revive()
    await world.turn()
    assert world.lane.turns == 2


async def test_a_holder_of_a_good_token_who_asks_for_what_it_is_not_for_stands_back_for_others(tmp_path: Path) -> None:
    async with House(made(tmp_path), tmp_path, lane=True) as house:
        good, poor = token(), token(scope="openid", jti="poor")
        line = lane_line(house)
        line.feed(question("nginx", "ruled", good) + question("nginx", "ruled", poor))
        await settle(house)
        line.sent.clear()
        line.feed(
            question("nginx", "ruled", good) + question("nginx", "ruled", poor)
        )  # both known, and one for nothing
        assert bytes(line.sent).count(b"HTTP/1.1 ") == 1
        assert house.clerk._left.waiting == 1
        await settle(house)
        assert [bytes(line.sent).count(b"HTTP/1.1 %d" % status) for status in (200, 403)] == [1, 1]
