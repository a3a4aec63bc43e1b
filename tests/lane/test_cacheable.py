"""Answers that a gateway may keep, prepared by the lane: none says more than is left, whenever it is given."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import pytest
from support.house import House, token
from support.lanes import made, question
from support.line import lane_line

if TYPE_CHECKING:
    from pathlib import Path

FIELD = {"nginx": rb"X-Accel-Expires: (\d+)\r\n", "forwarded": rb"max-age=(\d+), must-revalidate\r\n"}
HIDDEN = {"nginx": 1, "forwarded": 0}  # seconds that are meant beside those that are told


@pytest.mark.parametrize("dialect", FIELD)
async def test_near_the_end_of_a_token_less_is_said_and_then_nothing(tmp_path: Path, dialect: str) -> None:
    async with House(made(tmp_path), tmp_path, lane=True) as house:
        ends = int(time.time()) + 4
        asks = question(dialect, "kept", token(exp=ends), "GET", "/a/b")
        said: list[int] = []
        while not said or said[-1]:
            line, before = lane_line(house), time.time()
            line.feed(asks)
            while not line.sent:
                await asyncio.sleep(0)
            answer = bytes(line.sent)
            assert answer.startswith(b"HTTP/1.1 200 ")
            found = re.search(FIELD[dialect], answer)
            said.append(int(found[1]) + HIDDEN[dialect] if found else 0)
            assert said[-1] <= max(0.0, ends - before)
            assert (b"Cache-Control: no-store\r\n" in answer) == (found is None or dialect == "nginx")
            await asyncio.sleep(0.01)
        assert said == sorted(said, reverse=True)
        assert house.clerk.lane.allowed > len(said) // 2  # most of them by the lane itself


@pytest.mark.parametrize("dialect", FIELD)
async def test_each_second_is_said_again_while_a_token_has_long_to_live(tmp_path: Path, dialect: str) -> None:
    async with House(made(tmp_path), tmp_path, lane=True) as house:
        asks = question(dialect, "kept", token(), "GET", "/a/b")
        for _ in range(3):
            line = lane_line(house)
            line.feed(asks)
            while not line.sent:
                await asyncio.sleep(0)
            found = re.search(FIELD[dialect], bytes(line.sent))
            assert found is not None
            assert int(found[1]) + HIDDEN[dialect] == 5
        assert house.clerk.lane.allowed == 2
