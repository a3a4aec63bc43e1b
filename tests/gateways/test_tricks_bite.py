"""The corpus is known to bite: what the last `make tricks` wrote down is whole, and a sample of it is true today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stage import GATEWAYS

from bearerd.tricks import GROUPS, TRICKS, Outcome
from gateways.record import RECORD, bitten
from gateways.weak import WEAKNESSES, Weakness

pytestmark = pytest.mark.timeout(300)
KEPT = json.loads(RECORD.read_text())
SAMPLE = 8  # of each spoiled configuration, from all over the corpus


def test_every_trick_works_somewhere_or_says_why_not() -> None:
    assert set(KEPT["bites"]) == {trick.name for trick in TRICKS}
    assert [trick.name for trick in TRICKS if bool(KEPT["bites"][trick.name]) == bool(trick.inert)] == []


def test_every_spoiled_configuration_is_open_to_something() -> None:
    known = {name for names in KEPT["bites"].values() for name in names}
    assert known == {weakness.name for weakness in WEAKNESSES}


def test_what_was_written_down_has_no_hole() -> None:
    counted = [counts for groups in KEPT["kept"].values() for counts in groups.values()]
    assert all(set(groups) == set(GROUPS) for groups in KEPT["kept"].values())
    assert not {Outcome(name) for counts in counted for name in counts if Outcome(name).hole}


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=lambda weakness: weakness.name)
def test_a_spoiled_configuration_is_open_to_what_it_was(weakness: Weakness, tmp_path: Path) -> None:
    if weakness.gateway in GATEWAYS and GATEWAYS[weakness.gateway].found() is None:
        pytest.skip(f"{weakness.gateway} is absent")
    open_to = [trick for trick in TRICKS if weakness.name in KEPT["bites"][trick.name]]
    sample = open_to[:: max(len(open_to) // SAMPLE, 1)]
    assert bitten(weakness, sample, tmp_path) == [trick.name for trick in sample]
