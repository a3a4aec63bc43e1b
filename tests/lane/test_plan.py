"""The policy as the lane judges by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.house import House
from support.lanes import RESOURCES, made

from bearerd.lane import plan
from bearerd.refusals import Code


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(made(tmp_path), tmp_path)


def test_every_resource_stands_at_every_face_that_it_lists(house: House) -> None:
    service = house.service
    made_so = plan.routes(service.current.policy, service.metrics, reveal=False)
    assert made_so.generation == service.generations.config
    assert [route.index for route in made_so.all] == list(range(len(made_so.all)))
    expected = [
        (name, face)
        for name, table in RESOURCES.items()
        for face in (("forward_auth",) if table["gateway"] == "forwarded" else ("forward_auth", "ext_authz"))
    ]
    assert [(route.resource, route.face) for route in made_so.all] == expected


def test_the_refusals_that_stand_ready_end_with_the_one_of_the_full() -> None:
    assert plan.READY[-1].code is Code.OVERLOADED
    assert plan.READY[-1].retry_after
    assert len({refusal.code for refusal in plan.READY}) == len(plan.READY)
