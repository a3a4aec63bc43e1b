"""Who serves which slot: one pure function, so every situation can be asked about."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bearerd.serve.member import Member, Phase, Share, assignment


def member(slot: int, number: int = 0, **state: Any) -> Member:
    """A worker without a process."""
    nothing: Any = None
    made = Member(slot, number or slot + 1, nothing, nothing, nothing, phase=Phase.UP)
    for name, value in state.items():
        setattr(made, name, value)
    return made


def shares(members: list[Member], slots: int) -> dict[int, Share]:
    return {one.number: share for one, share in assignment(members, slots).items()}


def served(members: list[Member], slots: int) -> list[set[int]]:
    """The numbers of the workers that serve each slot."""
    found = shares(members, slots)
    return [{number for number, share in found.items() if slot in share.slots} for slot in range(slots)]


def test_each_settled_worker_serves_its_own_slot() -> None:
    assert served([member(slot, settled=True) for slot in range(3)], 3) == [{1}, {2}, {3}]


def test_at_the_start_nobody_serves_before_it_has_settled() -> None:
    workers = [member(slot) for slot in range(3)]
    assert served(workers, 3) == [set(), set(), set()]
    assert not any(share.unix for share in shares(workers, 3).values())
    workers[1].settled = True
    assert served(workers, 3) == [{2}, {2}, {2}]


def test_a_slot_without_a_worker_is_served_by_a_settled_sibling() -> None:
    assert served([member(1, settled=True), member(2, settled=True)], 3) in ([{2}, {2}, {3}], [{3}, {2}, {3}])


def test_lost_slots_are_spread() -> None:
    found = shares([member(0, settled=True), member(1, settled=True)], 6)
    assert sorted(len(share.slots) for share in found.values()) == [3, 3]


def test_a_successor_that_has_not_settled_leaves_its_slot_to_a_settled_sibling() -> None:
    assert served([member(0), member(1, settled=True)], 2) == [{2}, {2}]


def test_whoever_serves_a_lost_slot_keeps_it() -> None:
    helper = member(2, settled=True, share=Share(frozenset({0, 2})))
    assert served([member(1, settled=True), helper], 3) == [{3}, {2}, {3}]


def test_of_two_workers_of_a_slot_the_newer_serves_once_it_has_settled() -> None:
    old = member(0, number=1, settled=True, share=Share(frozenset({0})))
    assert served([old, member(0, number=2, trial=True)], 1) == [{1}]
    assert served([old, member(0, number=2, settled=True)], 1) == [{2}]


def test_a_suspected_leaving_or_starting_worker_is_given_nothing() -> None:
    for state in ({"suspected": True}, {"phase": Phase.LEAVING}, {"phase": Phase.STARTING}, {"phase": Phase.GONE}):
        assert served([member(0, settled=True, **state), member(1, settled=True)], 2) == [{2}, {2}]


def test_a_worker_that_has_not_settled_stays_away_from_the_unix_sockets() -> None:
    found = shares([member(0), member(1, settled=True)], 2)
    assert (found[1].unix, found[2].unix) == (False, True)


@given(
    st.integers(1, 5).flatmap(
        lambda slots: st.tuples(
            st.just(slots),
            st.lists(
                st.tuples(
                    st.integers(0, slots - 1),
                    st.booleans(),
                    st.booleans(),
                    st.sampled_from(list(Phase)),
                    st.frozensets(st.integers(0, slots - 1)),
                ),
                max_size=8,
            ),
        )
    )
)
def test_every_slot_is_served_by_exactly_one_as_long_as_anyone_has_settled(
    drawn: tuple[int, list[tuple[int, bool, bool, Phase, frozenset[int]]]],
) -> None:
    slots, states = drawn
    members = [
        member(slot, number, settled=settled, suspected=suspected, phase=phase, share=Share(before))
        for number, (slot, settled, suspected, phase, before) in enumerate(states, 1)
    ]
    settled = {one.number for one in members if one.able and one.settled}
    found = served(members, slots)
    for serving in found:
        assert len(serving) == (1 if settled else 0)
        assert serving <= settled
    for slot, serving in enumerate(found):
        own = {one.number for one in members if one.able and one.settled and one.slot == slot}
        if own:
            assert serving <= own
    if settled:
        assert any(share.unix for share in shares(members, slots).values())
    # Asked again, nothing moves: a change of nothing costs no connection.
    for one, share in assignment(members, slots).items():
        one.share = share
    for one, share in assignment(members, slots).items():
        assert share == one.share


def test_who_serves_by_a_snapshot_takes_nobodys_place() -> None:
    """It may lack a revocation that whoever it would replace enforces."""
    told: dict[str, Any] = {"ready": True, "snapshot": {"in_use": True}}
    one = member(0, health=told)
    assert (one.decides, one.succeeds) == (True, False)
    told["snapshot"] = {"in_use": False}
    assert one.succeeds
    told["ready"] = False
    assert not one.succeeds
    assert not member(0).succeeds
