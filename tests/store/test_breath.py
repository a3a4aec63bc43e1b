"""A single revocation is looked at at once; a crowd of them together."""

from __future__ import annotations

import pytest

from bearerd.store import breath
from bearerd.store.breath import APART, AT_ONCE, CROWDED, EACH, Breath


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
    drawn = Breath()
    for _ in range(AT_ONCE):
        await drawn.draw(1)
    assert time.slept == []


async def test_a_crowd_is_looked_at_once_in_so_many_milliseconds(time: Time) -> None:
    drawn = Breath()
    for _ in range(AT_ONCE + 100):
        await drawn.draw(1)
    assert time.slept == pytest.approx([APART] * 100)


@pytest.mark.parametrize(
    ("brought", "pause"), [(0, APART), (4, APART), (5, 5 * EACH), (15, 15 * EACH), (16, CROWDED), (1000, CROWDED)]
)
async def test_the_more_a_look_brings_the_longer_the_next_waits_up_to_a_bound(
    time: Time, brought: int, pause: float
) -> None:
    drawn = Breath()
    for _ in range(AT_ONCE):
        await drawn.draw(brought)
    time.slept.clear()
    for _ in range(100):
        await drawn.draw(brought)
    assert time.slept == pytest.approx([pause] * 100)
    await drawn.draw(1)
    assert time.slept[-1] == pytest.approx(APART)


async def test_who_has_rested_may_look_at_once_again_but_no_more_often_than_at_first(time: Time) -> None:
    drawn = Breath()
    for _ in range(20):
        await drawn.draw(1)
    time.slept.clear()
    time.now += 3600
    for _ in range(AT_ONCE + 1):
        await drawn.draw(1)
    assert sum(time.slept) == pytest.approx(APART)
