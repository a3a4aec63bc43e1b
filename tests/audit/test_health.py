"""What a process says of its audit sinks, for whoever asks for readiness."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from audit.test_auditor import Audited
from support.audits import audited

from bearerd._native import clock

if TYPE_CHECKING:
    from pathlib import Path


async def until_down(house: Audited) -> dict[str, Any]:
    while not (said := house.service.health()["audit"])["down"]:
        await asyncio.sleep(0.01)
    return dict(said)


async def until_well(house: Audited) -> None:
    house.go_on()
    while house.service.health()["audit"] != {"down": {}, "refused": []}:
        await asyncio.sleep(0.01)


async def test_with_sync_always_what_is_audited_in_full_is_refused_for_a_sink_that_takes_nothing(
    tmp_path: Path,
) -> None:
    async with Audited(audited(tmp_path, sync="always", wait=0.1), tmp_path) as house:
        assert house.service.health()["audit"] == {"down": {}, "refused": []}
        before = clock.wall()
        await house.stall()
        assert (await house.decide()).code == "overloaded"
        said = await until_down(house)
        assert said["refused"] == ["ruled", "mcp", "ruled-f", "mcp-f"]
        assert before <= said["down"]["file"] <= clock.wall()
        since = said["down"]["file"]
        await asyncio.sleep(0.5)  # it is tried again meanwhile
        assert house.service.health()["audit"]["down"] == {"file": since}
        await until_well(house)
        assert (await house.decide()).allowed


@pytest.mark.parametrize("how", ["block", "refuse", "drop-and-count"])
async def test_without_it_nothing_is_refused_before_the_queue_is_full_and_where_it_is_dropped_nothing_ever(
    tmp_path: Path, how: str
) -> None:
    async with Audited(audited(tmp_path, on_full=how, queue=100, wait=0.1), tmp_path) as house:
        await house.stall()
        assert (await house.decide()).allowed
        assert (await until_down(house))["refused"] == []
        while house.audit.room > 0:
            assert (await house.decide()).allowed
        refused = how != "drop-and-count"
        assert (await house.decide()).allowed is not refused
        said = house.service.health()["audit"]
        assert (list(said["down"]), said["refused"]) == (
            ["file"],
            ["ruled", "mcp", "ruled-f", "mcp-f"] if refused else [],
        )
        await until_well(house)
