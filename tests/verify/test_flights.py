from __future__ import annotations

import asyncio

import pytest

from bearerd import turns
from bearerd.decision import Pending, Wait
from bearerd.errors import IssuerFault
from bearerd.refusals import Code
from bearerd.verify.flights import Flights

A = Pending(Wait.KEY, "https://issuer.example", "a")
B = Pending(Wait.KEY, "https://issuer.example", "b")


class Work:
    """A resolver that waits to be told, and remembers what it was asked."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.asked: list[Pending] = []
        self.go = asyncio.Event()
        self.fault = fault

    async def __call__(self, pending: Pending) -> None:
        self.asked.append(pending)
        await self.go.wait()
        if self.fault:
            raise self.fault


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_waiters_for_one_key_share_one_flight() -> None:
    work = Work()
    flights = Flights(work, 100)
    waiters = [asyncio.create_task(flights.wait(Pending(Wait.KEY, A.issuer, "a"))) for _ in range(50)]
    await settle()
    assert work.asked == [A]
    assert flights.waiting == 50
    work.go.set()
    assert await asyncio.gather(*waiters) == [None] * 50
    assert flights.waiting == 0


async def test_other_keys_and_issuers_fly_alone() -> None:
    work = Work()
    flights = Flights(work, 100)
    other = Pending(Wait.KEY, "https://other.example", "a")
    waiters = [asyncio.create_task(flights.wait(pending)) for pending in (A, B, other, A)]
    await settle()
    assert work.asked == [A, B, other]
    work.go.set()
    await asyncio.gather(*waiters)


async def test_a_crowd_that_waited_for_one_key_does_not_have_a_turn_of_the_loop_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Clock:
        now = 0.0

        def boot(self) -> float:
            return self.now

    clock, work = Clock(), Work()
    monkeypatch.setattr(turns, "clock", clock)
    flights, rounds = Flights(work, 100), [0]

    async def one() -> None:
        await flights.wait(A)
        rounds[-1] += 1
        clock.now += turns.SLICE  # what the answer takes

    waiters = asyncio.gather(*(one() for _ in range(100)))
    await settle()
    work.go.set()
    while not waiters.done():
        await asyncio.sleep(0)
        rounds.append(0)
    assert (sum(rounds), max(rounds)) == (100, 1)
    assert flights.waiting == 0


async def test_a_later_wait_is_a_new_flight() -> None:
    work = Work()
    work.go.set()
    flights = Flights(work, 1)
    await flights.wait(A)
    await settle()
    await flights.wait(A)
    assert work.asked == [A, A]


async def test_whose_patience_ends_is_refused_and_the_flight_goes_on_for_the_next() -> None:
    work = Work()
    flights = Flights(work, 100)
    other = asyncio.create_task(flights.wait(A))
    refusal = await flights.wait(A, 0.0)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after) == (Code.ISSUER_UNAVAILABLE, 1)
    assert flights.waiting == 1
    work.go.set()
    assert await other is None
    assert work.asked == [A]


async def test_a_cancelled_waiter_cancels_nobody_else() -> None:
    work = Work()
    flights = Flights(work, 100)
    first, second = (asyncio.create_task(flights.wait(A)) for _ in range(2))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert flights.waiting == 1
    assert not second.done()
    work.go.set()
    assert await second is None
    assert work.asked == [A]


async def test_the_flight_goes_on_without_waiters_and_is_joined_by_the_next() -> None:
    work = Work()
    flights = Flights(work, 100)
    only = asyncio.create_task(flights.wait(A))
    await settle()
    only.cancel()
    await settle()
    again = asyncio.create_task(flights.wait(A))
    await settle()
    assert work.asked == [A]
    work.go.set()
    assert await again is None


async def test_beyond_max_waiting_the_answer_is_overloaded_at_once() -> None:
    work = Work()
    flights = Flights(work, 2)
    waiters = [asyncio.create_task(flights.wait(pending)) for pending in (A, B)]
    await settle()
    refusal = await flights.wait(A)
    assert refusal is not None
    assert (refusal.code, refusal.retry_after) == (Code.OVERLOADED, 1)
    assert work.asked == [A, B]
    work.go.set()
    await asyncio.gather(*waiters)
    assert await flights.wait(A) is None


async def test_a_fault_is_every_waiters_refusal() -> None:
    work = Work(IssuerFault("dns", "no such host"))
    flights = Flights(work, 100)
    waiters = [asyncio.create_task(flights.wait(A)) for _ in range(3)]
    await settle()
    work.go.set()
    for refusal in await asyncio.gather(*waiters):
        assert refusal is not None
        assert refusal.code is Code.ISSUER_UNAVAILABLE


async def test_an_unforeseen_error_reaches_every_waiter_and_the_room_empties() -> None:
    work = Work(ZeroDivisionError())
    flights = Flights(work, 100)
    waiters = [asyncio.create_task(flights.wait(A)) for _ in range(3)]
    await settle()
    work.go.set()
    for found in await asyncio.gather(*waiters, return_exceptions=True):
        assert isinstance(found, ZeroDivisionError)
    assert flights.waiting == 0


async def test_closing_refuses_whoever_waits() -> None:
    flights = Flights(Work(), 100)
    waiters = [asyncio.create_task(flights.wait(pending)) for pending in (A, A, B)]
    await settle()
    await flights.close()
    for refusal in await asyncio.gather(*waiters):
        assert refusal is not None
        assert refusal.code is Code.OVERLOADED
    assert flights.waiting == 0


async def test_a_waiter_cancelled_while_closing_is_cancelled() -> None:
    flights = Flights(Work(), 100)
    waiter = asyncio.create_task(flights.wait(A))
    await settle()
    waiter.cancel()
    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_flight_that_has_landed_is_not_waited_for_though_its_callback_never_came() -> None:
    work = Work()
    work.go.set()
    flights = Flights(work, 100)
    landed = asyncio.create_task(flights._run(A))
    await landed
    flights._under_way[A] = landed
    assert await flights.wait(A) is None
    assert work.asked == [A, A]
    await settle()
    assert not flights._under_way
