"""Whose turn it is, by counting: no issuer's flood starves another's token."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from math import ceil
from types import SimpleNamespace
from typing import Any

import pytest

from bearerd.decision import Pending, Wait
from bearerd.lane import turns as module
from bearerd.lane.turns import EACH, PAUSE, SLICE, Turns
from bearerd.verify.budget import Budget

COST = 0.00005  # seconds of a signature check
WAITS = {"unknown": Wait.KEY, "a new API key": Wait.APIKEY, "no room": Wait.AUDIT, "to be approved": Wait.SETTLEMENT}


class Bench:
    """A lane's queue, with a clock that only checks move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int = 1000, *, several: bool = True) -> None:
        self.now = 100.0
        monkeypatch.setattr(module, "clock", SimpleNamespace(boot=lambda: self.now))
        monkeypatch.setattr(module, "thread_time", lambda: self.now)
        self.lane = SimpleNamespace(allowed=0, full=False)
        self.budget = Budget()
        self.done: list[tuple[str, int]] = []
        self.keys: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turns = Turns(self.lane, self.budget, most, self._attempt, self._resolve)  # type: ignore[arg-type]
        self.turns.several = several
        monkeypatch.setattr(self.turns, "_schedule", lambda pause=0.0: None)
        self.now += PAUSE  # no known tokens come

    def _attempt(self, connection: Any) -> Pending | None:
        issuer, _ = connection.asked
        if issuer in WAITS:
            return Pending(WAITS[issuer], issuer)
        if not self.budget.take(issuer):
            return Pending(Wait.TURN, issuer)
        self.now += COST
        self.done.append(connection.asked)
        return None

    def _resolve(self, connection: Any, _: Pending) -> asyncio.Task[None]:
        async def wait() -> None:
            await asyncio.shield(self.keys)

        return asyncio.get_running_loop().create_task(wait())

    def ask(self, issuer: str, count: int = 1) -> None:
        for number in range(count):
            self.turns.wait(SimpleNamespace(asked=(issuer, number), waiter=None))  # type: ignore[arg-type]

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.turns._turn()


async def test_a_flood_of_one_issuers_tokens_does_not_hold_up_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.ask("flood", 500)
    bench.ask("quiet", 2)
    bench.turn(ceil((EACH + 2) * COST / SLICE))  # a round may take several
    done = Counter(issuer for issuer, _ in bench.done)
    assert done["quiet"] == 2
    assert [issuer for issuer, _ in bench.done[: EACH + 2]] == ["flood"] * EACH + ["quiet"] * 2


async def test_what_is_parked_is_tried_in_turn_one_of_each_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    for issuer in "abc":
        bench.ask(issuer, 6)
    bench.turn(ceil(18 * COST / SLICE))
    parked = [issuer for issuer, _ in bench.done[3 * EACH :]]
    assert parked[:12] == ["a", "b", "c"] * 4
    for issuer in "abc":
        assert [number for name, number in bench.done if name == issuer] == list(range(6))
    assert bench.turns.waiting == 0


async def test_one_issuer_alone_has_all_the_time_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, several=False)
    bench.ask("only", 500)
    bench.turn()
    assert len(bench.done) == pytest.approx(SLICE / COST, abs=1)


async def test_a_turn_is_short_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    for issuer in "abcdefgh":
        bench.ask(issuer, 100)
    before = bench.now
    bench.turn()
    assert bench.now - before <= SLICE + COST
    assert bench.turns.waiting == 800 - len(bench.done)


async def test_with_more_issuers_than_a_turn_has_time_for_each_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    issuers = [f"i{number}" for number in range(50)]
    for _ in range(EACH + 10):
        for issuer in issuers:
            bench.ask(issuer)
    for _ in range(ceil(len(issuers) * (EACH + 10) * COST / SLICE)):
        before = bench.now
        bench.turn()
        assert bench.now - before <= SLICE + COST
        done = Counter(issuer for issuer, _ in bench.done)
        assert max(done.values()) - min(done[issuer] for issuer in issuers) <= EACH + 1
    assert bench.turns.waiting == 0


async def test_it_is_full_at_its_bound_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, most=10, several=False)
    bench.ask("only", 9)
    assert not bench.lane.full
    bench.ask("only")
    assert bench.lane.full
    bench.turn(ceil(10 * COST / SLICE))
    assert not bench.lane.full
    assert bench.turns.waiting == 0


@pytest.mark.parametrize("cancelled", [False, True])
async def test_who_waits_for_a_key_counts_until_it_came_or_it_left(
    monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    bench = Bench(monkeypatch, most=2)
    waits = [SimpleNamespace(asked=("unknown", number), waiter=None) for number in range(2)]
    for connection in waits:
        bench.turns.wait(connection)  # type: ignore[arg-type]
    bench.turn()
    assert bench.turns.waiting == 2
    assert not bench.lane.full  # whose key is there waits for none
    for connection in waits:
        task: Any = connection.waiter
        assert isinstance(task, asyncio.Task)
        if cancelled:  # before it has taken a step
            task.cancel()
    bench.keys.set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert bench.turns.waiting == 0
    assert not bench.lane.full


@pytest.mark.parametrize(
    ("what", "full"), [(what, kind not in (Wait.KEY, Wait.APIKEY)) for what, kind in WAITS.items()]
)
async def test_who_waits_for_anything_but_a_key_fills_the_queue(
    monkeypatch: pytest.MonkeyPatch, what: str, full: bool
) -> None:
    bench = Bench(monkeypatch, most=2)
    bench.ask(what, 2)
    bench.turn()
    assert (bench.turns.waiting, bench.lane.full) == (2, full)
    bench.keys.set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert (bench.turns.waiting, bench.lane.full) == (0, False)


async def test_outside_its_turn_nothing_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.ask("a", 10)
    bench.turn()
    assert all(bench.budget.take("a") for _ in range(100))


async def test_who_comes_in_the_midst_of_a_round_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.ask("flood", 10)
    bench.turn()
    for _ in range(20):  # a flood goes on, and what was put off has its turn all the same
        bench.ask("flood")
        bench.turn()
    assert [number for _, number in bench.done].count(9) == 1


async def test_a_fault_with_the_last_of_an_issuers_tokens_leaves_the_others_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    bench.ask("a", EACH)
    connection = SimpleNamespace(asked=("a", "bad"), waiter=None, abort=lambda: None)
    bench.turns.wait(connection)  # type: ignore[arg-type]
    bench.ask("b", EACH + 1)
    tried, attempt = [], bench._attempt

    def fails(one: Any) -> Pending | None:
        tried.append(one)
        if one is connection and tried.count(one) == 2:
            raise RuntimeError("injected")
        return attempt(one)

    bench.turns._attempt = fails
    for _ in range(20):
        with contextlib.suppress(RuntimeError):
            bench.turn()
    assert bench.turns.waiting == 0
    assert len(bench.done) == 2 * EACH + 1
