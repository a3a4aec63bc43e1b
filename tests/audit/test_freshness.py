"""How resources are served is told once an episode, and shown all the time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from support.policies import NOW, State, resource

from bearerd import metrics
from bearerd.audit.freshness import Freshness

if TYPE_CHECKING:
    from bearerd.policy.resource import Resource

BOTH = {"s": resource(name="s"), "a": resource(name="a", staleness="available")}


class Watched:
    """Looks, and what came of it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "bearerd.freshness")
        self.caplog = caplog
        self.metrics = metrics.Metrics(None, metrics.Labels({"s": (), "a": ()}))
        self.freshness = Freshness(self.metrics)

    def look(
        self,
        own: float,
        known: float = math.inf,
        *,
        at: float = 0.0,
        asked: bool = True,
        problem: str | None = None,
        resources: dict[str, Resource] | None = None,
    ) -> list[tuple[str, str]]:
        """(level, words) of what was told."""
        self.caplog.clear()
        state = State(age=own - at, known=known - at)  # it adds the time that has passed
        now = NOW._replace(boot=NOW.boot + at)
        self.freshness.look(BOTH if resources is None else resources, now, state, asked=asked, problem=problem)
        return [(record.levelname, record.getMessage()) for record in self.caplog.records]

    def states(self, name: str) -> dict[str, float]:
        found = metrics.gather([self.metrics.buffer])
        keys = [(state, ("bearerd_resource_serving", name, state)) for state in metrics.SERVING]
        return {state: found[key][0] for state, key in keys if key in found}


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Watched:
    return Watched(caplog)


STALE = "available resources are served by a stale view: what was revoked since may be allowed"
GONE = "{} resources are refused: the view of the revocations is older than they may be served by"
AGAIN = "{} resources are served by a fresh view again"


def test_each_episode_is_told_once_on_entering_and_once_on_leaving(watched: Watched) -> None:
    assert watched.look(1.0) == []
    assert watched.look(31.0) == [("ERROR", GONE.format("strict")), ("WARNING", STALE)]
    assert watched.look(32.0) == []
    assert watched.look(3601.0) == [("ERROR", GONE.format("available"))]
    assert watched.look(3602.0) == []
    assert watched.look(1.0) == [("INFO", AGAIN.format("strict")), ("INFO", AGAIN.format("available"))]
    assert watched.look(2.0) == []
    assert watched.look(31.0) == [("ERROR", GONE.format("strict")), ("WARNING", STALE)]


def test_a_lost_store_is_told_of_before_anything_is_refused(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    assert watched.look(math.inf, 50.0, asked=False, problem="not read yet") == []
    assert watched.look(1.0) == []
    assert watched.look(9.0, problem="refused") == []  # a connection may be made anew
    assert watched.look(12.0) == []  # slow, but followed
    lost = "the store cannot be followed: what is revoked meanwhile is not known here"
    assert watched.look(10.0, at=10.0, problem="refused") == [("WARNING", lost)]
    assert (caplog.records[0].store, caplog.records[0].view_age) == ("refused", 10.0)  # type: ignore[attr-defined]
    assert watched.look(11.0, at=11.0, problem="refused") == []
    assert watched.look(1.0, at=15.0) == [("INFO", "the store is followed again")]
    assert caplog.records[0].after == 15.0  # type: ignore[attr-defined]
    assert watched.look(1.0, at=16.0) == []


def test_what_is_told_says_of_which_resources_and_by_what(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.look(math.inf, 50.0)
    strict, available = caplog.records
    assert (strict.staleness, strict.resources, strict.from_snapshot) == ("strict", ["s"], True)  # type: ignore[attr-defined]
    assert (available.staleness, available.resources, available.view_age) == ("available", ["a"], 50.0)  # type: ignore[attr-defined]
    assert (available.max_staleness, available.available_for) == (30.0, 3600.0)  # type: ignore[attr-defined]
    watched.look(1.0, at=70.0)
    assert [record.after for record in caplog.records] == [70.0, 70.0]  # type: ignore[attr-defined]


def test_an_age_that_is_infinite_is_told_as_none(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.look(math.inf)
    assert [record.view_age for record in caplog.records] == [None, None]  # type: ignore[attr-defined]


def test_why_the_store_does_not_answer_is_told_with_what_comes_of_it(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.look(31.0, problem="the store is unreachable")
    assert [record.store for record in caplog.records] == ["the store is unreachable"] * 2  # type: ignore[attr-defined]
    watched.look(1.0)
    assert not any(hasattr(record, "store") for record in caplog.records)


def test_before_the_store_was_asked_there_is_nothing_to_tell(watched: Watched) -> None:
    assert watched.look(math.inf, asked=False) == []
    assert watched.states("s")["refused"] == 1
    assert watched.look(1.0) == []


def test_the_metrics_say_how_each_resource_is_served(watched: Watched) -> None:
    for own, strict, available in ((1.0, "fresh", "fresh"), (31.0, "refused", "stale"), (4000.0, "refused", "refused")):
        watched.look(own)
        for name, state in (("s", strict), ("a", available)):
            assert watched.states(name) == {one: float(one == state) for one in metrics.SERVING}


def test_a_resource_that_is_gone_is_shown_no_longer_and_a_kind_that_is_gone_is_forgotten(watched: Watched) -> None:
    watched.look(31.0)
    assert watched.look(31.0, resources={"s": BOTH["s"]}) == []
    assert watched.states("a") == {}
    assert watched.look(31.0) == [("WARNING", STALE)]
    assert watched.states("a")["stale"] == 1
