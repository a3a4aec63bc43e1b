"""What the lane noted, in full: that it is what the flow would have told is held in tests/lane/test_differential.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.house import House
from support.lanes import made, question, tokens
from support.line import ids, lane_line, settle

from bearerd.lane import clerk as clerks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKENS = tokens()
BAD = question("nginx", "ruled", TOKENS["bad signature"])
GOOD = question("nginx", "ruled", TOKENS["good"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(made(tmp_path), tmp_path, lane=True) as house:
        house.lines = written = []  # type: ignore[attr-defined]
        house.service.recorder.write = lambda record: written.append(record.line(str))  # type: ignore[method-assign]
        yield house


async def told(house: House, *asked: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    """The ids of what is refused, and the lines of all."""
    line = lane_line(house)
    for data in asked:
        line.feed(data)
        await settle(house)
    house.clerk._write()
    return ids(bytes(line.sent)), house.lines  # type: ignore[attr-defined]


async def test_a_token_is_named_and_never_told(house: House) -> None:
    _, lines = await told(house, BAD, BAD, GOOD, GOOD)
    outcomes = sorted(str(line["outcome"]) for line in lines)
    assert outcomes == ["allow", "allow", "challenge", "challenge"]
    for token in (TOKENS["bad signature"], TOKENS["good"]):
        assert not any(part in repr(lines) for part in token.split("."))


async def test_a_refusal_is_found_after_a_reload_under_the_rule_that_it_met(house: House, tmp_path: Path) -> None:
    names, _ = await told(house, BAD, BAD)
    before = [house.service.recorder.ring.find(name) for name in names]
    await house.service.reload(made(tmp_path, resource={"other": {"identifier": "x", "gateway": "nginx"}}))
    await told(house, question("nginx", "other", "a.b.c"))
    assert [house.service.recorder.ring.find(name) for name in names] == before
    assert None not in before


async def test_notes_of_a_configuration_that_is_forgotten_are_told_no_more(house: House, tmp_path: Path) -> None:
    names, _ = await told(house, BAD, BAD)
    for _ in range(clerks.PLANS):
        await house.service.reload(made(tmp_path))
        await told(house, GOOD)
    assert house.service.recorder.ring.find(names[1]) is None


async def test_an_allow_whose_token_is_gone_by_then_still_has_its_line(house: House) -> None:
    await told(house, GOOD)
    line = lane_line(house)
    line.feed(GOOD)
    house.service.cache.clear()
    house.clerk._write()
    (*_, last) = house.lines  # type: ignore[attr-defined]
    assert last["outcome"] == "allow"
    assert "sub" not in last


async def test_a_flood_is_told_of_before_the_ring_has_come_round(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerks, "LINES_SECONDS", 3600)
    line = lane_line(house)
    line.feed(BAD)
    await settle(house)
    rounds = 2 * clerks.LEAST_NOTES // 16
    for _ in range(rounds):
        line.feed(BAD * 16)
        await asyncio.sleep(0)
    house.clerk._write(last=True)
    assert house.clerk.lane.ring.lost == 0
    assert len(house.lines) == 16 * rounds + 1  # type: ignore[attr-defined]


async def test_a_few_lines_are_told_of_before_what_gets_none_has_driven_them_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clerks, "LINES_SECONDS", 3600)
    few = made(tmp_path, limits={"refusal_logs_per_second": 10})
    async with House(few, tmp_path, lane=True) as house:
        line = lane_line(house)
        line.feed(BAD)
        await settle(house)
        for _ in range(2 * clerks.LEAST_NOTES // 16):
            line.feed(BAD * 16)
            await asyncio.sleep(0)
        assert house.clerk.lane.ring.lost == 0


async def test_a_crowd_with_each_turn_is_written_as_it_comes(house: House) -> None:
    line = lane_line(house)
    line.feed(BAD)
    await settle(house)
    for _ in range(200):
        line.feed(BAD * 128)
        await asyncio.sleep(0)
    house.clerk._write(last=True)
    assert house.clerk.lane.ring.lost == 0


async def test_a_line_that_cannot_be_made_stops_no_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    line = lane_line(house)
    line.feed(BAD)
    await settle(house)
    line.feed(BAD * 100)
    monkeypatch.setattr(clerks.notes, "record", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        house.clerk._write()
    monkeypatch.undo()
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert len(house.lines) == 101 - clerks.LINES_AT_ONCE  # type: ignore[attr-defined]


async def test_many_lines_are_written_in_pieces_and_others_come_between(house: House) -> None:
    line = lane_line(house)
    line.feed(BAD)
    await settle(house)
    line.feed(BAD * 100)
    house.clerk._write()
    assert len(house.lines) == clerks.LINES_AT_ONCE + 1  # type: ignore[attr-defined]
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert len(house.lines) == 101  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", "x", "f" * 31, "g" * 32, "f" * 32])
async def test_what_is_no_id_finds_nothing(house: House, name: str) -> None:
    assert house.service.recorder.ring.find(name) is None
