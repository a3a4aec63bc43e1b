"""The checker on histories written by hand: each property once broken, and each excuse once made."""

from __future__ import annotations

import math
from typing import Any

import pytest
from faults.checker import check
from faults.history import Event, History
from faults.reference import EVERY_KEY, FOREVER

KEY, OTHER = "11" * 16, "22" * 16
WALL = 1_700_000_000.0


class Story:
    """A history told line by line; each line is a tenth of a second later than the one before."""

    def __init__(self, *, durability: str = "memory") -> None:
        self.history = History()
        self.note("world", seed=0, topology="told", durability=durability, lease=2.0)
        self.note("primary", server=0)
        self.note("route", node="a", server=0)
        self.note("route", node="b", server=0)
        self.note("token", token="t", keys=[KEY], iat=int(WALL) - 60, exp=int(WALL) + 3600)
        self.ids = 0
        self.resource = "api"

    @property
    def now(self) -> float:
        return len(self.history.events) / 10

    def note(self, kind: str, **fields: Any) -> Event:
        return self.history.note(kind, **fields)

    def ask(self, node: str = "b") -> int:
        self.ids += 1
        self.note("ask", id=self.ids, node=node, life=1, token="t")
        return self.ids

    def answer(self, number: int, code: str | None = None, *, age: float | None = 0.0, node: str = "b") -> None:
        said = {"allowed": code is None, "code": code, "age": age, "boot": self.now, "wall": WALL + self.now}
        self.note("answer", id=number, node=node, life=1, token="t", resource=self.resource, **said)

    def asked(self, code: str | None = None, *, age: float | None = 0.0, node: str = "b") -> None:
        self.answer(self.ask(node), code, age=age, node=node)

    def invoke(self, do: str = "revoke", key: str = KEY, node: str = "a") -> int:
        self.ids += 1
        self.note("invoke", op=self.ids, node=node, life=1, do=do, key=key, ack="enforced")
        return self.ids

    def member(self, do: str = "revoke", key: str = KEY, at: int | None = None, expiry: int = FOREVER) -> str:
        cut = FOREVER if do == "revoke" else 0
        stamp = int(self.now * 1e6) if at is None else at
        return key + cut.to_bytes(4, "big").hex() + expiry.to_bytes(4, "big").hex() + stamp.to_bytes(8, "big").hex()

    def done(self, op: int, member: str, acknowledged: str | None = "enforced", **more: Any) -> None:
        said = {"acknowledged": acknowledged, "durability": "memory", "missing": [], "enforced_by": None}
        self.note("done", op=op, **(said | {"boot": self.now, "member": member} | more))

    def write(self, do: str = "revoke", ack: str | None = "enforced", key: str = KEY, **more: Any) -> str:
        """One write, whole; its member."""
        op = self.invoke(do, key)
        member = self.member(do, key)
        self.done(op, member, ack, **more)
        return member

    def view(self, *members: str, phase: str = "run", node: str = "b", age: float | None = 0.0) -> None:
        said = {"position": [1, "h"], "entries": list(members), "age": age, "boot": self.now, "wall": WALL + self.now}
        self.note("view", phase=phase, node=node, life=1, **said)

    def store(self, *members: str, phase: str = "end") -> None:
        self.note("store", phase=phase, position=[1, "h"], wall=WALL + self.now, entries=list(members))

    def found(self) -> set[str]:
        return {violation.property for violation in check(self.history.events)}


def test_a_story_without_events_breaks_nothing() -> None:
    assert Story().found() == set()


# ---- P1


def test_an_allow_asked_after_an_enforced_acknowledgement_is_found() -> None:
    story = Story()
    story.write()
    story.asked()
    assert "P1" in story.found()


def test_a_question_from_before_the_acknowledgement_may_be_allowed() -> None:
    story = Story()
    question = story.ask()
    story.write(boot=99.0)
    story.answer(question)
    assert story.found() == set()


def test_after_a_mere_stored_an_old_view_may_allow() -> None:
    story = Story()
    story.write(ack="stored")
    story.asked(age=1.5)
    assert story.found() == set()


@pytest.mark.parametrize("do", ["lift", "reset"])
@pytest.mark.parametrize("ended", [True, False])
def test_an_allow_after_a_lift_or_a_reset_is_none(do: str, ended: bool) -> None:
    story = Story()
    story.write()
    key = EVERY_KEY if do == "reset" else KEY
    if ended:
        story.write(do, key=key)
    else:
        story.invoke(do, key)
    story.asked()
    assert story.found() == set()


def test_a_lift_that_failed_may_take_effect_at_any_time_unless_nothing_was_written() -> None:
    for sure, found in ((False, set()), (True, {"P1", "P4"})):
        story = Story()
        op = story.invoke("lift")
        story.note("failed", op=op, error="", sure=sure, members=[])
        story.write()
        story.asked()
        assert story.found() == found


def test_a_lift_that_was_over_before_is_no_excuse() -> None:
    story = Story()
    story.write("lift")
    story.write()
    story.asked()
    assert "P1" in story.found()


def test_a_revocation_that_has_lapsed_or_is_not_of_this_token_binds_nobody() -> None:
    lapsed, dated, other = Story(), Story(), Story()
    lapsed.done(lapsed.invoke(), lapsed.member(expiry=int(WALL)))
    dated.done(dated.invoke(), KEY + (int(WALL) - 61).to_bytes(4, "big").hex() + "ff" * 4 + "00" * 8)
    other.write(key=OTHER)
    for story in (lapsed, dated, other):
        story.asked()
        assert story.found() == set()


def test_what_the_store_lost_is_told_apart_unless_its_durability_covers_the_fault() -> None:
    for loses, found in ((["memory"], "P1-after-loss"), (["replicas=1"], "P1-after-loss"), ([], "P1")):
        story = Story()
        story.write()
        story.note("fault", what="crash", loses=loses)
        story.asked(age=1.9)
        assert found in story.found()


def test_the_time_that_a_202_names_is_a_promise() -> None:
    for allowed_at, found in ((WALL + 0.3, {"P1-by"}), (WALL + 99, set())):
        story = Story()
        story.write(ack=None, enforced_by=allowed_at)
        story.asked(age=1.9)
        assert story.found() == found


def test_a_refusal_as_revoked_after_an_enforced_lift_is_found() -> None:
    story = Story()
    story.write()
    story.write("lift")
    story.asked("revoked")
    assert story.found() == {"P1-lift"}


def test_a_worker_without_a_lease_may_still_refuse_what_was_lifted() -> None:
    for age in (None, 2.1):
        story = Story()
        story.write()
        story.write("lift")
        story.asked("revoked", age=age)
        assert story.found() == set()


def test_a_token_that_nobody_revoked_is_not_refused_as_revoked() -> None:
    story = Story()
    story.asked("revoked")
    assert story.found() == {"P1-lift"}


def test_a_revocation_under_way_while_it_is_lifted_may_outlive_the_lift() -> None:
    story = Story()
    op = story.invoke()
    story.write("lift")
    story.done(op, story.member())
    story.asked("revoked")
    assert story.found() == set()


# ---- P4


def test_a_view_that_lacks_what_was_stored_before_the_time_it_claims_is_found() -> None:
    for age, found in ((0.05, {"P4"}), (5.0, set()), (None, set())):
        story = Story()
        member = story.write(ack="stored")
        story.note("nothing")
        story.view(age=age)
        story.view(member)
        assert story.found() == found


def test_an_allow_reveals_an_age_that_is_too_low() -> None:
    story = Story()
    story.write(ack="stored")
    story.note("nothing")
    story.asked(age=0.05)
    assert story.found() == {"P4"}


def test_a_view_need_not_hold_what_another_entry_covers() -> None:
    story = Story()
    story.write(ack="stored")
    lift = story.write("lift", ack="stored")
    story.view(lift)
    assert story.found() == set()


def test_what_went_to_a_server_that_no_longer_counts_is_not_expected_in_a_view() -> None:
    story = Story()
    story.note("primary", server=1)
    story.write(ack="stored")
    story.view()
    assert story.found() == set()


def test_a_write_that_saw_the_primary_change_may_have_gone_to_either() -> None:
    story = Story()
    op = story.invoke()
    story.note("primary", server=1)
    story.note("route", node="a", server=1)
    story.done(op, story.member(), "stored")
    story.view()
    assert story.found() == set()


@pytest.mark.parametrize("age", [None, 2.01, math.inf])
def test_an_allow_from_a_view_older_than_the_lease_is_found(age: float | None) -> None:
    story = Story()
    story.asked(age=age)
    assert story.found() == {"P4-stale"}


def test_of_an_available_resource_only_the_claimed_age_binds() -> None:
    for age, found in ((9.0, set()), (0.05, {"P4"})):
        story = Story()
        story.resource = "lax"
        story.write()
        story.note("nothing")
        story.asked(age=age)
        assert story.found() == found


# ---- at the end


def test_what_was_acknowledged_and_is_gone_is_found() -> None:
    for do, key, found in (("revoke", KEY, "P2"), ("lift", KEY, "P3"), ("reset", EVERY_KEY, "P5")):
        story = Story()
        story.write(do, ack="stored", key=key)
        story.store()
        assert story.found() == {found}


def test_only_a_fault_beyond_its_durability_excuses_a_loss() -> None:
    for level, loses, found in (
        ("memory", ["memory"], set()), ("fsync", ["memory"], {"P2"}), ("fsync", ["memory", "fsync"], set()),
        ("replicas=1", ["memory"], {"P2"}),
    ):  # fmt: skip
        story = Story(durability=level)
        story.write(ack="stored", durability=level)
        story.note("fault", what="told", loses=loses)
        story.store()
        assert story.found() == found


def test_what_a_living_worker_or_the_store_knew_when_all_was_healed_must_stay() -> None:
    story = Story()
    member = story.write(ack="stored")
    story.note("fault", what="flush", loses=["memory"])
    story.view(member, phase="heal")
    story.store(phase="heal")
    story.store()
    assert story.found() == {"P2b"}


def test_opposite_changes_one_after_the_other_are_ordered_so() -> None:
    for first, second, found in (("revoke", "lift", "P3"), ("lift", "revoke", "P2"), ("revoke", "reset", "P5")):
        story = Story()
        early = story.invoke(first)
        story.done(early, story.member(first, at=9), "stored")
        late = story.invoke(second, EVERY_KEY if second == "reset" else KEY)
        story.done(late, story.member(second, EVERY_KEY if second == "reset" else KEY, at=8), "stored")
        assert found in story.found()


def test_a_lift_in_the_store_that_the_decision_does_not_follow_is_found() -> None:
    story = Story()
    story.write(ack="stored")
    lift = story.write("lift", ack="stored")
    story.view(lift, phase="end")
    story.store(lift)
    story.asked("revoked")
    assert "P3" in story.found()


def test_views_that_differ_from_the_store_are_found() -> None:
    story = Story()
    member = story.write(ack="stored")
    story.view(member, phase="end", node="a")
    story.view(phase="end", age=None)
    story.store(member)
    assert story.found() == {"P6"}


def test_a_view_at_another_position_is_found() -> None:
    story = Story()
    story.view(phase="end")
    story.history.events[-1]["position"] = [2, "h"]
    story.store()
    assert story.found() == {"P6"}


def test_a_decision_that_does_not_follow_from_the_store_is_found() -> None:
    story = Story()
    member = story.write(ack="stored")
    story.view(member, phase="end")
    story.store(member)
    story.asked(age=1.9)
    assert story.found() == {"P6"}


def test_an_entry_that_nobody_wrote_is_found_unless_its_writer_was_killed() -> None:
    for killed, found in ((False, {"P6"}), (True, set())):
        story = Story()
        if killed:
            story.note("failed", op=story.invoke(), error="the process ended", sure=False, members=[])
        story.view(story.member())
        assert story.found() == found


def test_a_world_that_does_not_settle_is_found() -> None:
    story = Story()
    story.note("unsettled", why="it moves on")
    assert story.found() == {"P6"}


def test_a_whole_and_healthy_story_breaks_nothing() -> None:
    story = Story()
    story.asked()
    member = story.write()
    story.asked("revoked")
    story.note("fault", what="cut", node="b")
    story.asked("stale_state", age=2.5)
    story.note("heal", what="cut", node="b")
    lift = story.write("lift")
    story.asked()
    story.view(lift, phase="heal")
    story.store(member, lift, phase="heal")
    story.view(lift, phase="end")
    story.store(member, lift)
    story.asked()
    assert story.found() == set()
