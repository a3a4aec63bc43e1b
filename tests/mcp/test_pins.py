"""Pinned tools: what says something else of itself than was reviewed stays marked, whoever saw it."""

from __future__ import annotations

from bearerd.mcp.listing import Tool
from bearerd.mcp.pins import Pins

REVIEWED = {"add": "aa", "drop": "dd"}


def listed(**tools: str) -> list[Tool]:
    return [Tool(name, digest, {"name": name}) for name, digest in tools.items()]


def test_what_was_reviewed_is_not_marked_nor_what_is_new_or_gone() -> None:
    pins = Pins()
    assert pins.see("r1", REVIEWED, listed(add="aa", other="oo")) == {}
    assert not pins.any("r1")


def test_what_has_changed_is_told_once_and_stays_even_where_it_is_what_it_was_again() -> None:
    pins = Pins()
    assert pins.see("r1", REVIEWED, listed(add="xx", drop="dd")) == {"add": "xx"}
    assert pins.see("r1", REVIEWED, listed(add="yy")) == {}
    assert pins.see("r1", REVIEWED, listed(add="aa")) == {}
    assert (pins.changed("r1", "add"), pins.changed("r1", "drop"), pins.any("r1")) == (True, False, True)
    assert pins.of("r1") == {"add": "xx"}


def test_one_name_listed_twice_counts_by_whichever_is_not_what_was_reviewed() -> None:
    for both in ([*listed(add="aa"), *listed(add="xx")], [*listed(add="xx"), *listed(add="aa")]):
        assert Pins().see("r1", REVIEWED, both) == {"add": "xx"}


def test_the_next_review_begins_anew() -> None:
    pins = Pins()
    pins.see("r1", REVIEWED, listed(add="xx"))
    assert not pins.changed("r2", "add")
    pins.keep({"r2"})
    assert not pins.changed("r1", "add")
    assert not pins.any("r1")


def test_marks_of_the_fleet_are_taken_unless_they_are_none() -> None:
    pins = Pins()
    assert pins.take("r1", REVIEWED, {"add": "xx", "drop": "dd", "stranger": "ss"}) == {"add": "xx"}
    assert pins.of("r1") == {"add": "xx"}
