"""How much there is of arguments, counted no further than it may go."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd.mcp.extent import more_than, too_much


@pytest.mark.parametrize(
    ("arguments", "values", "characters"),
    [
        ({}, 1, 0),
        ({"a": 1, "bc": None}, 3, 3),
        ({"a": ["xy", {"b": "z"}, []], "c": True}, 7, 6),
        ([[[[1]]]], 5, 0),
        (({"a": ("x",)},), 4, 2),
    ],
)
def test_every_value_counts_and_so_does_what_holds_it_and_every_character(
    arguments: Any, values: int, characters: int
) -> None:
    assert not more_than(values, arguments)
    assert more_than(values - 1, arguments)
    assert not more_than(values, arguments, characters)
    assert not characters or more_than(values, arguments, characters - 1)


def test_what_is_nested_without_end_is_counted() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    assert not more_than(50_001, deep)
    assert more_than(50_000, deep)


@pytest.mark.parametrize(
    ("arguments", "values", "levels"),
    [
        ({}, 1, 0),
        ({"a": 1, "bc": None}, 3, 1),
        ({"a": ["xy", {"b": "z"}, []], "c": True}, 7, 3),
        (({"a": ("x",)},), 4, 3),
    ],
)
def test_arguments_may_be_so_many_and_so_deep(arguments: Any, values: int, levels: int) -> None:
    assert too_much(arguments, values, levels) is None
    assert too_much(arguments, values - 1, levels) == f"more than {values - 1} values" or values == 1
    assert levels == 0 or too_much(arguments, values, levels - 1) == f"arguments of more than {levels - 1} levels"


def test_what_holds_itself_is_too_much() -> None:
    once: dict[str, Any] = {}
    once["a"] = once
    assert too_much(once, 1_000, 30) == "arguments of more than 30 levels"
    once["b"] = [once, once]
    assert too_much(once, 1_000, 30) == "more than 1000 values"
