"""A single revocation is looked at at once; a crowd of them together."""

from __future__ import annotations

import pytest

from bearerd.store import breath
from bearerd.store.breath import Breath


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def boot(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(breath, "clock", made)
    monkeypatch.setattr(breath, "asyncio", made)
    return made


async def test_a_few_looks_follow_one_another_at_once(time: Time) -> None:
    drawn = Breath(0.01, 4)
    for _ in range(4):
        await drawn.draw()
    assert time.slept == []


async def test_a_crowd_is_looked_at_once_in_so_many_milliseconds(time: Time) -> None:
    drawn = Breath(0.01, 4)
    for _ in range(104):
        await drawn.draw()
    assert time.slept == pytest.approx([0.01] * 100)


async def test_who_has_rested_may_look_at_once_again_but_no_more_often_than_at_first(time: Time) -> None:
    drawn = Breath(0.01, 4)
    for _ in range(20):
        await drawn.draw()
    time.slept.clear()
    time.now += 3600
    for _ in range(5):
        await drawn.draw()
    assert sum(time.slept) == pytest.approx(0.01)
