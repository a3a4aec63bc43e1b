"""What a process remembers changes no verdict; and the test that says so would notice.

A small budget; `make metamorphic` plays as long as asked, and docs/guarantees.md has the figures of the last long run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from metamorphic.mutants import MUTANTS
from metamorphic.run import play
from metamorphic.world import Differs

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 2_000
# A world in which each mistake shows.  Whoever changes what is drawn finds others: any will do.
SEEDS = {
    "a_key_is_looked_for_and_not_chosen_anew": 3,
    "cached_tokens_outlive_their_keys": 2,
    "a_reload_leaves_the_generation": 2,
    "a_reload_makes_keys_young": 2,
    "what_began_by_a_wrong_clock_stays_known": 2,
    "revocations_are_forgotten_by_the_wall_clock": 18,
}


@pytest.mark.parametrize("seed", [101, 102])
def test_a_warm_process_and_a_cold_one_give_the_same_verdicts(tmp_path: Path, seed: int) -> None:
    counts = play(seed, STEPS, tmp_path)
    assert counts["warm hits"] > 20  # it did remember
    assert counts["allowed"] > 100
    assert counts["refused"] > 100


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_of_a_memory_is_noticed(tmp_path: Path, name: str) -> None:
    with MUTANTS[name](), pytest.raises(Differs):
        play(SEEDS.get(name, 1), STEPS, tmp_path)
