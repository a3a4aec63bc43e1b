"""Known tokens are not held up by strangers, and strangers get all the time that nobody else has use for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from bearerd.lane import turns
from bearerd.lane.turns import GAIN, LONGEST, LOOK, LULL, OWED, PAUSE, SHARE, SLICE, Turns
from bearerd.verify.budget import Budget

CHECK = 0.0001  # seconds that a signature takes
BETWEEN = 0.0005  # seconds of the loop between two turns: what arrived is read and answered


@dataclass
class Due:
    """A turn that is to come, as a loop's handle."""

    call: Callable[[], None]
    pause: float = 0.0
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """A lane, a clock and a loop that only this test moves; every stranger costs a signature check."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.idle, self.verified, self.spent, self.check = 1000.0, 0.0, 0, 0.0, CHECK
        self.lane: Any = SimpleNamespace(allowed=0, full=False)
        self.handles: list[Due] = []
        loop = SimpleNamespace(call_soon=self._due, call_later=lambda pause, call: self._due(call, pause))
        monkeypatch.setattr(turns, "clock", SimpleNamespace(boot=lambda: self.now))
        monkeypatch.setattr(turns, "thread_time", lambda: self.now - self.idle)
        fake = SimpleNamespace(get_running_loop=lambda: loop)
        monkeypatch.setattr(turns, "asyncio", fake)
        self.turns = Turns(self.lane, Budget(), 10_000, self._attempt, lambda *_: asyncio.Future())

    def _due(self, call: Callable[[], None], pause: float = 0.0) -> Due:
        self.handles.append(Due(call, pause))
        return self.handles[-1]

    def _attempt(self, _: Any) -> None:
        self.now += self.check
        self.spent += self.check
        self.verified += 1

    @property
    def due(self) -> list[Due]:
        return [handle for handle in self.handles if not handle.cancelled]

    def come(self, count: int) -> None:
        for _ in range(count):
            self.turns.wait(SimpleNamespace(waiter=None))  # type: ignore[arg-type]

    def turn(self, known: int, idle: float = 0.0) -> float:
        """One turn of the loop, in which so many known tokens were answered; seconds that verification took of it.

        ``idle``: the share of the time before it in which the thread had nothing to do.
        """
        before, (next_turn,) = self.spent, self.due
        passed = max(BETWEEN, next_turn.pause)
        self.now += passed
        self.idle += idle * passed
        self.lane.allowed += known
        self.handles.clear()
        next_turn.call()
        return self.spent - before


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def calm(world: World) -> World:
    """Strangers wait, and no known token has come for a while."""
    world.come(5000)
    for _ in range(5):
        world.turn(known=0)
    return world


@pytest.mark.parametrize("busy", [0.04, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_while_known_tokens_come_strangers_get_a_share_and_most_of_what_is_idle_beyond_a_lull(
    world: World, busy: float
) -> None:
    start, spent = world.now, 0.0
    world.come(50_000)
    for _ in range(3000):
        (due,) = world.due
        between = max(BETWEEN, due.pause)
        # What known tokens take of all the time, they take between the turns.
        spent = world.turn(known=50, idle=max(0.0, 1 - busy * (between + spent) / between))
    # What they take is not idle: x = SHARE + GAIN * (1 - busy - x - LULL).
    balanced = (SHARE + GAIN * (1 - busy - LULL)) / (1 + GAIN)
    assert world.spent / (world.now - start) == pytest.approx(max(SHARE, balanced), abs=0.02)


def test_idleness_that_comes_in_pieces_is_that_of_all_of_them(world: World) -> None:
    start = world.now
    world.come(50_000)
    for number in range(2000):
        world.turn(known=50, idle=0.4 if number % 4 == 0 else 0.0)  # a tenth of the time
    assert world.spent == pytest.approx(SHARE * (world.now - start), abs=LONGEST + CHECK + OWED)


def test_while_none_come_strangers_are_verified_in_every_turn(world: World) -> None:
    calm(world)
    for _ in range(100):
        assert world.turn(known=0) >= min(SLICE, CHECK)


@pytest.mark.parametrize("known", [0, 50])
def test_who_comes_after_all_waits_for_a_slice_and_one_check_at_the_most(world: World, known: int) -> None:
    calm(world)
    assert max(world.turn(known=known) for _ in range(100)) <= SLICE + CHECK + 1e-9


def test_what_nobody_had_use_for_is_not_taken_from_the_share(world: World) -> None:
    calm(world)
    for _ in range(100):
        world.turn(known=0)
    assert world.turn(known=1) > 0


def test_that_known_tokens_have_stopped_is_seen_soon(world: World) -> None:
    world.come(5000)
    while world.turn(known=50) > 0:
        pass
    stopped = world.now
    while world.turn(known=0) < SLICE - CHECK:
        pass
    assert world.now - stopped <= 2 * PAUSE + SLICE + CHECK


def test_nor_is_it_seen_late_where_a_check_took_long(world: World) -> None:
    """Somebody else had the processor: that is owed, and nobody is kept waiting for it in silence."""
    world.come(5000)
    world.check = 20 * LOOK
    while world.turn(known=50) == 0:
        pass
    world.check, stopped = CHECK, world.now
    while world.turn(known=0) < SLICE - CHECK:
        pass
    assert world.now - stopped <= 2 * LOOK + SLICE + CHECK


def test_the_time_that_a_check_takes_is_no_silence_of_the_known(world: World) -> None:
    world.come(5000)
    world.check = 5 * PAUSE
    while world.turn(known=50) == 0:
        pass
    assert world.turn(known=0) == 0


def test_without_a_share_nobody_looks_before_there_is_one(world: World) -> None:
    world.come(5000)
    while world.turn(known=50) > 0:
        pass
    (waits,) = world.due
    assert waits.pause >= PAUSE


def test_whoever_revives_the_turns_leaves_one_of_them(world: World) -> None:
    calm(world)
    for _ in range(10):
        world.turns.revive()
        assert len(world.due) == 1
    world.turn(known=0)
    assert len(world.due) == 1


def test_no_turn_is_taken_when_nobody_waits(world: World) -> None:
    world.come(1)
    world.turn(known=0)
    assert world.due == []
