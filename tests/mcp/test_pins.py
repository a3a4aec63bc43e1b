"""Pinned tools: what says something else of itself than was reviewed stays marked, whoever saw it."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd.mcp import canonical
from bearerd.mcp.listing import Tool
from bearerd.mcp.pins import Pins
from bearerd.mcp.reviewed import LONGEST


def listed(**tools: Any) -> list[Tool]:
    return [Tool(name, {"name": name, "description": said}) for name, said in tools.items()]


def digests(**tools: Any) -> dict[str, str]:
    return {tool.name: canonical.digest(tool.definition) for tool in listed(**tools)}


REVIEWED = digests(add="aa", drop="dd")


def test_what_was_reviewed_is_not_marked_nor_what_is_new_or_gone() -> None:
    pins = Pins()
    assert pins.see("r1", REVIEWED, listed(add="aa", other="oo")) == {}
    assert not pins.any("r1")


def test_what_has_changed_is_told_once_and_stays_even_where_it_is_what_it_was_again() -> None:
    pins = Pins()
    assert pins.see("r1", REVIEWED, listed(add="xx", drop="dd")) == digests(add="xx")
    assert pins.see("r1", REVIEWED, listed(add="yy")) == {}
    assert pins.see("r1", REVIEWED, listed(add="aa")) == {}
    assert (pins.changed("r1", "add"), pins.changed("r1", "drop"), pins.any("r1")) == (True, False, True)
    assert pins.of("r1") == digests(add="xx")


def test_one_name_listed_twice_counts_by_whichever_is_not_what_was_reviewed() -> None:
    for both in ([*listed(add="aa"), *listed(add="xx")], [*listed(add="xx"), *listed(add="aa")]):
        assert Pins().see("r1", REVIEWED, both) == digests(add="xx")


@pytest.mark.parametrize(
    "said", ["x" * LONGEST, 2**60, float("nan"), object(), ["deep"]], ids=["long", "integer", "nan", "no JSON", "deep"]
)
def test_what_has_no_digest_is_not_what_was_reviewed(said: Any) -> None:
    for _ in range(300 if said == ["deep"] else 0):
        said = [said]
    pins = Pins()
    assert pins.see("r1", REVIEWED, listed(add=said, other=said)).keys() == {"add"}
    assert pins.changed("r1", "add")


def test_a_digest_is_made_of_what_was_reviewed_alone_and_once_for_each_way_to_write_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []
    digest = canonical.digest
    monkeypatch.setattr(canonical, "digest", lambda one: made.append(one) or digest(one))
    pins, reviewed = Pins(), {"add": digest({"name": "add", "description": 1})}
    for said in (1, 1, 1.0, 1.0):  # one canonical form, two ways to write it
        assert pins.see("r1", reviewed, listed(add=said, stranger="long")) == {}
    assert [one["description"] for one in made] == [1, 1.0]
    for said in ("changed", "again", "x" * LONGEST):
        pins.see("r1", reviewed, [*listed(add=said), *listed(add="twice")])
    assert len(made) == 3


def test_the_next_review_begins_anew() -> None:
    pins = Pins()
    pins.see("r1", REVIEWED, listed(add="xx"))
    assert not pins.changed("r2", "add")
    pins.keep({"r2"})
    assert not pins.changed("r1", "add")
    assert not pins.any("r1")


def test_marks_of_the_fleet_are_taken_unless_they_are_none() -> None:
    pins = Pins()
    assert pins.take("r1", REVIEWED, {"add": "xx", "drop": REVIEWED["drop"], "stranger": "ss"}) == {"add": "xx"}
    assert pins.of("r1") == {"add": "xx"}
