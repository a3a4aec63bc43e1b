"""The walk would notice: each mistake, put in on purpose, is found by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from failclosed.key_scenes import Rotated
from failclosed.scenes import ExtAuthz, Python
from failclosed.seeded import SEEDED
from failclosed.walk import walk

BUDGET = 60
EVERYWHERE = 160  # enough for ways this short to be met where the mistake is


@pytest.mark.parametrize("name", SEEDED)
async def test_a_mistake_is_found(tmp_path: Path, name: str) -> None:
    mistake, scene, who, said = SEEDED[name]
    with mistake():
        async with scene(tmp_path) as made:
            found = await walk(made, who, EVERYWHERE if scene in (Rotated, Python, ExtAuthz) else BUDGET)
    assert [finding for finding in found.findings if said in finding]
