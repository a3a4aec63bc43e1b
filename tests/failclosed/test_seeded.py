"""The walk would notice: each mistake, put in on purpose, is found by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from failclosed.seeded import SEEDED
from failclosed.walk import walk

BUDGETS = (60, 400, 2_000)  # faults: where a few do not meet the mistake, one at each line that is passed does


@pytest.mark.parametrize("name", SEEDED)
async def test_a_mistake_is_found(tmp_path: Path, name: str) -> None:
    mistake, scene, who, said = SEEDED[name]
    findings: list[str] = []
    with mistake():
        for budget in BUDGETS:
            async with scene(tmp_path) as made:
                found = await walk(made, who, budget)
            findings = [finding for finding in found.findings if said in finding]
            if findings:
                break
    assert findings
