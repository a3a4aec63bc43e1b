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
# A world in which each mistake shows soon.  Whoever changes what is drawn finds others: any will do.
SEEDS = {
    "a_changed_key_set_is_not_looked_at": 22,
    "a_key_is_looked_for_and_not_chosen_anew": 3,
    "keys_of_the_same_names_count_as_the_same_set": 38,
    "cached_tokens_outlive_their_keys": 39,
    "a_reload_leaves_the_generation": 22,
    "refusals_are_remembered_for_good": 17,
    "a_revocation_is_asked_for_once": 13,
    "a_revoked_token_stays_so": 13,
    "an_answer_is_promised_for_too_long": 32,
    "an_answer_is_promised_where_more_than_the_rule_decides": 4,
    "a_reload_makes_keys_young": 36,
    "what_began_by_a_wrong_clock_stays_known": 6,
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
        play(SEEDS[name], STEPS, tmp_path)
