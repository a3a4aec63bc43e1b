from __future__ import annotations

from bearerd.verify.budget import Budget


def test_outside_a_turn_nothing_is_held_back() -> None:
    budget = Budget()
    assert all(budget.take("a") for _ in range(100))


def test_within_a_turn_each_issuer_has_its_share() -> None:
    budget = Budget()
    budget.begin(2)
    assert [budget.take("a") for _ in range(4)] == [True, True, False, False]
    assert [budget.take("b") for _ in range(3)] == [True, True, False]


def test_a_turn_without_a_share_holds_nothing_back() -> None:
    budget = Budget()
    budget.begin(None)
    assert all(budget.take("a") for _ in range(100))


def test_a_round_goes_on_in_the_next_turn_until_it_is_renewed() -> None:
    budget = Budget()
    for _ in range(3):
        budget.renew()
        budget.begin(2)
        assert budget.take("a")
        budget.end()
        assert all(budget.take("a") for _ in range(100))  # outside a turn
        budget.begin(2)
        assert [budget.take("a"), budget.take("a")] == [True, False]
    budget.end()
    assert budget.take("a")


def test_a_share_of_none_gives_none() -> None:
    budget = Budget()
    budget.begin(0)
    assert not budget.take("a")
