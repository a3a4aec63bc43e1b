"""The checker is shown to catch each seeded bug, and to find nothing in the same schedule without it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from faults import directed
from faults.checker import told
from faults.mutants import MUTANTS

if TYPE_CHECKING:
    from faults.nursery import Nursery


@pytest.mark.parametrize("name", directed.SCHEDULES)
async def test_the_checker_catches_the_seeded_bug_and_nothing_without_it(name: str, nursery: Nursery) -> None:
    schedule = directed.SCHEDULES[name]
    (healthy, history), (mutated, _) = await asyncio.gather(
        directed.execute(schedule, mutated=False, nursery=nursery),
        directed.execute(schedule, mutated=True, nursery=nursery),
    )
    assert not healthy, told(healthy, history)
    assert schedule.properties <= {violation.property for violation in mutated}


def test_every_seeded_bug_has_its_schedule() -> None:
    helps = {name for schedule in directed.SCHEDULES.values() for name in schedule.also}
    assert set(MUTANTS) - helps == set(directed.SCHEDULES)
