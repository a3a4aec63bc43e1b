"""The clerk: what is decided for the first time, what waits for a key, and what becomes of faults."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, key, token
from support.lanes import DIALECTS, OTHER, made, question, tokens
from support.line import Line, ids, lane_line, plain_line, settle, told

from bearerd import flow
from bearerd._native import clock
from bearerd._native.connection import Connection
from bearerd.decision import Pending, Wait
from bearerd.faces import answer
from bearerd.lane import clerk as clerks
from bearerd.lane import leftovers
from bearerd.turns import WOKEN
from bearerd.verify.verifier import TokenVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from bearerd.decision import Now
    from bearerd.refusals import Refusal
    from bearerd.verify.verified import Verified

TOKENS = tokens()
GOOD = question("nginx", "bare", TOKENS["good"])


class Hung:
    """Resolves nothing before it is told to."""

    def __init__(self, house: House) -> None:
        self.go = asyncio.Event()
        self.asked: list[str | None] = []
        house.service.flights._resolve = self

    async def __call__(self, pending: Any) -> None:
        self.asked.append(pending.kid)
        await self.go.wait()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    remote = {"issuer": "https://issuer.example", "name": "test", "algorithms": ["ES256"]}
    other = {"issuer": "https://other.example", "name": "other", "jwks": {"keys": [key(1, "k2")]}}
    async with House(made(tmp_path, issuer=[remote, other | {"algorithms": ["ES256"]}]), tmp_path, lane=True) as house:
        yield house


def statuses(line: Line) -> list[int]:
    return [int(part[:3]) for part in bytes(line.sent).split(b"HTTP/1.1 ")[1:]]


def others(*, good: bool = True, table: str = "bare") -> bytes:
    """A token whose key is at hand: of the other issuer.  ``kept``: a resource whose answers are not framed beforehand."""
    credential = TOKENS["other issuer"] if good else TOKENS["other issuer"][:-4] + "AAAA"
    return question("nginx", table, credential)


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_token_whose_key_does_not_come_holds_up_its_own_connection_only(house: House) -> None:
    hung = Hung(house)
    slow, quick = lane_line(house), lane_line(house)
    slow.feed(others() + GOOD + others() + others(good=False))
    quick.feed(others())
    await turns()
    assert (statuses(slow), statuses(quick)) == ([200], [200])
    assert house.clerk._turns.waiting == 1
    hung.go.set()
    await settle(house)
    assert statuses(slow) == [200, 503, 200, 401]  # there is no such issuer, in the end
    assert len(hung.asked) == flow.ROUNDS  # once a round, however many wait


async def test_many_wait_for_one_key_and_all_are_answered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bearerd.turns.SLICE", 60.0)  # however slow the machine: as many go on as are woken at once
    hung = Hung(house)
    lines = [lane_line(house) for _ in range(50)]
    for line in lines:
        line.feed(GOOD)
    await turns(len(lines) + 10)  # one each, at the least
    assert house.clerk._turns.waiting == 50
    hung.go.set()
    await settle(house)
    assert {tuple(statuses(line)) for line in lines} == {(503,)}
    # Once a round, and for each lot of those that go on together.
    assert flow.ROUNDS <= len(hung.asked) <= 1 + (flow.ROUNDS - 1) * math.ceil(len(lines) / WOKEN)


@pytest.mark.parametrize("after", range(6))
async def test_who_leaves_while_a_key_is_waited_for_leaves_nothing(house: House, after: int) -> None:
    Hung(house)
    lines = [lane_line(house) for _ in range(20)]
    for line in lines:
        line.feed(GOOD)
    await turns(after)
    for line in lines:
        line.hang_up()
    await turns()
    assert house.clerk._turns.waiting == 0
    assert not house.clerk.lane.connections
    assert house.service.flights.waiting == 0
    assert not house.clerk.lane.full


async def test_who_sends_and_leaves_at_once_costs_no_place_for_ever(house: House) -> None:
    """The connection is lost in the very turn in which its request begins to wait for a key."""
    Hung(house)
    line = lane_line(house)
    line.feed(GOOD)  # its turn comes with the next one of the loop
    asyncio.get_running_loop().call_soon(line.hang_up)  # and this right behind it
    await turns()
    assert house.clerk._turns.waiting == 0


async def test_a_resource_that_is_gone_while_its_token_waited_is_unknown_then(house: House, tmp_path: Path) -> None:
    hung = Hung(house)
    line = lane_line(house)
    line.feed(GOOD)
    while not house.clerk._turns._flights:
        await asyncio.sleep(0)
    await house.service.reload(config(tmp_path, resource={"new": {"identifier": API, "gateway": "nginx"}}))
    hung.go.set()
    await settle(house)
    assert statuses(line) == [403]


@pytest.mark.parametrize("table", ["bare", "shade"])
@pytest.mark.parametrize("at", [lane_line, plain_line])
async def test_a_peer_that_is_no_longer_trusted_once_its_key_has_come_is_allowed_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, at: Callable[[House], Line], table: str
) -> None:
    hung, verify_now = Hung(house), TokenVerifier.verify_now

    def verified(self: TokenVerifier, token: bytes, now: Now) -> Verified | Refusal | Pending:
        return verify_now(self, token, now) if hung.go.is_set() else Pending(Wait.KEY, OTHER, "k2")

    monkeypatch.setattr(TokenVerifier, "verify_now", verified)
    line, before = at(house), house.service.current.config
    line.feed(question("nginx", table, TOKENS["other issuer"]))
    while not hung.asked:
        await asyncio.sleep(0)
    peers = before.trust.model_copy(update={"peers": ("10.0.0.0/8",)})
    await house.service.reload(before.model_copy(update={"trust": peers}))
    hung.go.set()
    await settle(house, until=lambda: bool(line.sent))
    assert statuses(line) == [503]


async def test_a_resource_that_is_gone_before_its_token_was_looked_at_is_unknown_then(
    house: House, tmp_path: Path
) -> None:
    line = lane_line(house)
    line.feed(others())
    await house.service.reload(config(tmp_path, resource={"new": {"identifier": API, "gateway": "nginx"}}))
    await settle(house)
    assert statuses(line) == [403]


# ---- overload


@pytest.mark.parametrize("table", ["scoped", "ruled"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_whom_the_full_lane_turns_away_is_told_what_python_would_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str, table: str
) -> None:
    monkeypatch.setattr(leftovers, "AWAY_SECONDS", 0.0)
    async with House(made(tmp_path, limits={"max_waiting": 1}), tmp_path, lane=True) as house:
        line = lane_line(house)
        house.clerk.lane.full = True
        line.feed(question(dialect, table, TOKENS["good"], uri="/a/b"))
        await settle(house)
        decision = house.service.current.policy.resources[f"{table}-f" if dialect == "forwarded" else table]
        made_so = clerks.plan.decide.refused(decision, clerks.plan.OVERLOADED, clerks.notes.view.of(None, None))
        (name,) = ids(bytes(line.sent))
        expected = answer.answer(made_so, name, dialect, reveal=house.service.current.config.server.reveal_reason)
        head, body = clerks.wire.message(expected)
        assert told(bytes(line.sent)) == told(head + b"\r\n" + body)
        assert statuses(line) == [503]
        assert b"\r\nRetry-After: 1\r\n" in line.sent
        found = house.service.recorder.ring.find(name)
        assert found is not None
        assert found["code"] == "overloaded"


async def test_overload_passes_and_nobody_who_waited_is_turned_away(tmp_path: Path) -> None:
    async with House(made(tmp_path, limits={"max_waiting": 8}), tmp_path, lane=True) as house:
        lines = [lane_line(house) for _ in range(20)]
        for number, line in enumerate(lines):
            line.feed(question("nginx", "bare", token(jti=f"j{number}")))
        await settle(house)
        assert [statuses(line) for line in lines[:8]] == [[200]] * 8
        assert all(statuses(line) in ([200], [503]) for line in lines[8:])  # served where there was room again in time
        for number, line in enumerate(lines):
            line.feed(question("nginx", "bare", token(jti=f"j{number}")))
            await settle(house)
        assert [statuses(line)[-1] for line in lines] == [200] * 20


async def test_a_known_token_is_answered_while_the_lane_is_full(house: House) -> None:
    line = lane_line(house)
    line.feed(others())
    await settle(house)
    house.clerk.lane.full = True
    line.feed(others())
    assert statuses(line) == [200, 200]


# ---- faults


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError("a fault of ours")


FAULTS: dict[str, Callable[[House, pytest.MonkeyPatch], None]] = {
    "reading": lambda house, patch: patch.setattr(house.clerk, "_read", broken),
    "writing": lambda house, patch: patch.setattr(clerks.wire, "message", broken),
    "answering": lambda house, patch: patch.setattr(clerks, "reply", broken),
    "preparing": lambda house, patch: patch.setattr(house.clerk, "_prepare", broken),
    "deciding": lambda house, patch: patch.setattr(house.clerk, "_decided", broken),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_closes_the_connection_answers_nothing_and_holds_up_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    lines = [lane_line(house) for _ in range(5)]
    with monkeypatch.context() as patch:
        FAULTS[fault](house, patch)
        for line in lines:
            line.feed(others(table="kept") + others(table="kept"))
        await settle(house)
        assert [line.sent for line in lines] == [b""] * 5
        assert all(line.aborted for line in lines)
    assert not house.clerk.lane.connections
    line = lane_line(house)
    line.feed(others())
    await settle(house)
    assert statuses(line) == [200]


async def test_a_fault_at_a_known_token_closes_the_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = lane_line(house)
    warm.feed(others())
    await settle(house)
    line = lane_line(house)
    monkeypatch.setattr(house.clerk, "_decided", broken)
    other_route = question("nginx", "scoped", TOKENS["other issuer"])  # known, but not prepared for this resource
    line.feed(others() + other_route + others())
    await settle(house)
    assert line.aborted
    assert statuses(line) in ([], [200])  # whether it stood back for the first or not


async def test_a_fault_while_a_key_is_waited_for_closes_the_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = Hung(house)
    line = lane_line(house)
    line.feed(GOOD)
    await turns()
    monkeypatch.setattr(clerks.wire, "message", broken)
    hung.go.set()
    await settle(house)
    assert line.aborted
    assert not line.sent
    assert house.clerk._turns.waiting == 0


# ---- looking after


async def test_the_clerk_looks_who_is_slow(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    line = lane_line(house)
    line.feed(GOOD[:20])
    late = clock.boot() + 11
    monkeypatch.setattr(clerks.clock, "boot", lambda: late)
    house.clerk._check()
    assert line.closed


async def test_a_turn_that_was_lost_is_made_up_for(house: House) -> None:
    line = lane_line(house)
    line.feed(others())
    await settle(house)
    line.feed(others() * 40)  # more than is answered at once
    assert house.clerk._left._next is not None
    house.clerk._left._next.cancel()  # as where a fault met it
    await turns()
    assert len(statuses(line)) < 41
    house.clerk._check()
    await settle(house)
    assert statuses(line) == [200] * 41


async def test_a_prepared_answer_costs_python_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    line = lane_line(house)
    line.feed(others())
    await settle(house)
    for name in ("_read", "_decided", "_message"):
        monkeypatch.setattr(house.clerk, name, broken)
    for _ in range(100):
        line.feed(others())
    assert statuses(line) == [200] * 101
    assert isinstance(line.get_protocol(), Connection)


async def test_a_token_that_is_used_at_several_resources_by_turns_costs_python_one_decision_at_each(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, tables = lane_line(house), ("bare", "scoped", "headers", "available")
    for table in tables:
        line.feed(question("nginx", table, TOKENS["other issuer"]))
        await settle(house)
    first = statuses(line)
    for name in ("_read", "_decided", "_message"):
        monkeypatch.setattr(house.clerk, name, broken)
    for table in tables * 20:
        line.feed(question("nginx", table, TOKENS["other issuer"]))
    assert statuses(line) == first * 21
    assert set(first) == {200}


async def test_what_is_remembered_as_bad_costs_python_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    line = lane_line(house)
    line.feed(others(good=False))
    await settle(house)
    monkeypatch.setattr(house.clerk, "_read", broken)
    line.feed(others(good=False) * 3)
    assert statuses(line) == [401] * 4
    assert len(set(ids(bytes(line.sent)))) == 4


async def test_a_fault_in_the_flow_is_no_allow(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.clerk._flow, "decide_now", broken)
    line = lane_line(house)
    line.feed(others(table="kept"))
    await settle(house)
    assert statuses(line) == [503]
