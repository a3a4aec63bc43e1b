"""A short run of `make chaos`: seeds that are always the same, whose histories the checker must find nothing in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults.checker import told
from faults.deeds import Deeds
from faults.generator import plan
from faults.run import execute

if TYPE_CHECKING:
    from pathlib import Path

    from faults.nursery import Nursery

SEEDS = (3, 22)


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_violated_under_faults(seed: int, nursery: Nursery, tmp_path: Path) -> None:
    outcome = await execute(plan(seed, seconds=4.0), tmp_path / "history.jsonl", nursery=nursery)
    assert not outcome.violations, told(outcome.violations, outcome.history.events)
    kinds = {event["e"] for event in outcome.history.events}
    assert {"fault", "done", "answer", "view", "settled"} <= kinds


def test_the_same_seed_is_the_same_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


def test_every_topology_and_every_fault_is_drawn() -> None:
    plans = [plan(seed) for seed in range(300)]
    assert len({one.topology.name for one in plans}) == 5
    assert all(hasattr(Deeds, deed.what) for one in plans for deed in one.deeds)
    drawn = {deed.what for one in plans for deed in one.deeds}
    assert drawn == {
        "crash", "hang", "flush", "dump", "restore", "fill", "trim", "disconnect", "failover", "split",
        "cut", "mute", "refuse", "delay", "sever", "stop", "kill", "topple", "forge",
    }  # fmt: skip
