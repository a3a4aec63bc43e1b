"""Known tokens are not held up by strangers, and strangers get all the time that nobody else has use for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bearerd.lane import turns
from bearerd.lane.turns import LONGEST, SHARE, SLICE, Turns
from bearerd.verify.budget import Budget

CHECK = 0.0001  # seconds that a signature takes
BETWEEN = 0.0005  # seconds of the loop between two turns: what arrived is read and answered


class World:
    """A lane, a clock and a loop that only this test moves; every stranger costs a signature check."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.verified, self.spent = 1000.0, 0, 0.0
        self.lane: Any = SimpleNamespace(allowed=0, full=False)
        self.due: list[Any] = []
        loop = SimpleNamespace(call_soon=self.due.append)
        monkeypatch.setattr(turns, "clock", SimpleNamespace(boot=lambda: self.now))
        monkeypatch.setattr(turns, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
        self.turns = Turns(self.lane, Budget(), 10_000, self._attempt, lambda *_: asyncio.Future())

    def _attempt(self, _: Any) -> None:
        self.now += CHECK
        self.spent += CHECK
        self.verified += 1

    def come(self, count: int) -> None:
        for _ in range(count):
            self.turns.wait(SimpleNamespace(waiter=None))  # type: ignore[arg-type]

    def turn(self, known: int) -> float:
        """One turn of the loop, in which so many known tokens were answered; seconds that verification took of it."""
        self.now += BETWEEN
        self.lane.allowed += known
        before, (next_turn,) = self.spent, self.due
        self.due.clear()
        next_turn()
        return self.spent - before


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_while_known_tokens_come_in_every_turn_strangers_get_their_share_of_the_time(world: World) -> None:
    start = world.now
    world.come(5000)
    for _ in range(2000):
        world.turn(known=50)
    assert world.spent == pytest.approx(SHARE * (world.now - start), abs=LONGEST)
    assert world.verified > 0


def test_while_none_come_strangers_are_verified_in_every_turn(world: World) -> None:
    world.come(1000)
    while world.due:
        assert world.turn(known=0) >= min(SLICE, CHECK) * 0.999
    assert world.verified == 1000


def test_who_comes_after_all_waits_for_a_slice_and_one_check_at_the_most(world: World) -> None:
    world.come(5000)
    assert max(world.turn(known=0) for _ in range(100)) <= SLICE + CHECK + 1e-9


def test_what_idle_time_gave_is_not_taken_from_the_share(world: World) -> None:
    world.come(5000)
    for _ in range(100):
        world.turn(known=0)
    assert world.turn(known=1) > 0


def test_that_known_tokens_have_stopped_is_seen_in_the_next_turn(world: World) -> None:
    world.come(5000)
    while world.turn(known=50) > 0:
        pass
    assert world.turn(known=0) > 0


def test_no_turn_is_taken_when_nobody_waits(world: World) -> None:
    world.come(1)
    world.turn(known=0)
    assert world.due == []
