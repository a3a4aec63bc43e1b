"""A crowd that aiohttp reads at once is answered in turn, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from bearerd import turns as module
from bearerd.turns import SLICE, WOKEN, Turns


class Clock:
    """Time passes only while somebody works."""

    now = 0.0

    def boot(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "clock", made)
    return made


async def crowd(
    turns: Turns, clock: Clock, count: int, seconds: float
) -> tuple[list[int], list[int], asyncio.Future[Any]]:
    """So many at once, each of whom works for so long: who has begun, in order, and in which turn of the loop."""
    order: list[int] = []
    rounds = [0]

    async def one(number: int) -> None:
        await turns.turn()
        order.append(number)
        rounds[-1] += 1
        clock.now += seconds

    return order, rounds, asyncio.gather(*(one(number) for number in range(count)))


async def test_a_crowd_has_no_more_of_a_turn_of_the_loop_than_its_slice(clock: Clock) -> None:
    order, rounds, done = await crowd(Turns(), clock, 100, SLICE)
    while not done.done():
        await asyncio.sleep(0)
        rounds.append(0)
    assert sorted(order) == list(range(100))
    assert max(rounds) == 1


async def test_those_who_cost_little_go_on_together_and_in_the_order_of_their_coming(clock: Clock) -> None:
    order, rounds, done = await crowd(Turns(), clock, 500, SLICE / 1000)
    while not done.done():
        await asyncio.sleep(0)
        rounds.append(0)
    assert order == list(range(500))
    assert len(rounds) < 10


async def test_who_comes_later_does_not_go_before_those_who_wait(clock: Clock) -> None:
    turns = Turns()
    order, _, done = await crowd(turns, clock, 3 * WOKEN, SLICE)
    await asyncio.sleep(0)

    async def late() -> None:
        await turns.turn()
        order.append(-1)

    task = asyncio.create_task(late())
    await asyncio.gather(done, task)
    assert order.index(-1) >= 2 * WOKEN


async def test_those_who_take_a_whole_turn_each_go_in_the_order_of_their_coming_as_well(clock: Clock) -> None:
    order, _, done = await crowd(Turns(), clock, 3 * WOKEN, SLICE)
    await done
    assert order == list(range(3 * WOKEN))


async def test_those_that_go_first_do_so_in_the_order_of_their_coming(clock: Clock) -> None:
    turns, order = Turns(), list[int]()

    async def one(number: int) -> None:
        await turns.turn(first=number % 2 == 1)
        order.append(number)
        clock.now += SLICE

    await asyncio.gather(*(one(number) for number in range(4 * WOKEN)))
    odd = [number for number in order if number % 2]
    assert odd == sorted(odd)
    assert order[0] == 0  # nobody was there before
    assert order[1 : 2 * WOKEN] == odd[: 2 * WOKEN - 1]


@pytest.mark.parametrize("waiting", [WOKEN - 4, 3 * WOKEN])
async def test_who_comes_anew_with_each_turn_takes_the_slice_of_nobody_who_waits(clock: Clock, waiting: int) -> None:
    """Bytes that arrive are looked at before those run who were woken: a few connections that never pause kept all others out."""
    turns, order = Turns(), list[int]()

    def go(number: int, *, woken: bool = False) -> None:
        later = turns.begin(woken=woken)
        if later is None:
            order.append(number)
            clock.now += SLICE
        else:
            later.add_done_callback(lambda _: go(number, woken=True))

    for number in range(waiting):
        go(number)
    for number in range(2 * waiting):
        go(waiting + number)
        await asyncio.sleep(0)
    assert order[:waiting] == list(range(waiting))
    assert order == sorted(order)


async def test_who_hangs_up_while_he_waits_holds_up_nobody(clock: Clock) -> None:
    turns = Turns()
    order, _, done = await crowd(turns, clock, 5, SLICE)
    gone = [asyncio.create_task(turns.turn()) for _ in range(2 * WOKEN)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    for task in gone:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    async with asyncio.timeout(30):
        await done
        await turns.turn()
    assert sorted(order) == list(range(5))


async def test_even_where_the_slice_is_over_at_once_somebody_goes_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that is busy takes the whole of it before the first of them is looked at."""
    monkeypatch.setattr(module, "SLICE", 0.0)
    order, _, done = await crowd(Turns(), clock, 40, 0.0)
    async with asyncio.timeout(30):
        await done
    assert sorted(order) == list(range(40))
