"""Globs of items and methods, against a naive reference."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.operations import AMBIGUOUS, NONE, Operations, matches

TOOL, RESOURCE, PROMPT, MCP = range(4)
PATTERNS = st.text("ab*/", max_size=8)
NAMES = st.text("ab/", max_size=10)


def naive(kind: int, pattern: str, name: str) -> bool:
    parts = re.split(r"(\*+)", pattern)
    some = "[^/]*" if kind == RESOURCE else ".*"
    text = "".join((".*" if len(part) > 1 else some) if part.startswith("*") else re.escape(part) for part in parts)
    return re.fullmatch(text, name) is not None


@pytest.mark.parametrize("kind", [TOOL, RESOURCE])
@given(PATTERNS, NAMES)
def test_a_glob_matches_what_it_says(kind: int, pattern: str, name: str) -> None:
    assert matches(kind, pattern.encode(), name.encode()) == naive(kind, pattern, name)


def test_many_stars_take_no_time_to_speak_of() -> None:
    assert not matches(TOOL, b"*a" * 200 + b"b", b"a" * 2048)
    assert not matches(RESOURCE, b"**a" * 100 + b"*b", b"a" * 2048)


def rules(*patterns: tuple[int, str]) -> Operations:
    return Operations([[(kind, text, text.lower())] for kind, text in patterns])


def find(made: Operations, kind: int, name: str) -> int:
    return made.match(kind, name.encode(), name.lower().encode())


def test_the_first_rule_of_the_kind_decides() -> None:
    made = rules((PROMPT, "*"), (TOOL, "get_*"), (TOOL, "*"), (MCP, "*"))
    assert find(made, TOOL, "get_x") == 1
    assert find(made, TOOL, "put_x") == 2
    assert find(made, PROMPT, "get_x") == 0
    assert find(made, RESOURCE, "get_x") == NONE


def test_a_narrow_miss_of_an_earlier_rule_is_told() -> None:
    made = rules((TOOL, "drop"), (TOOL, "*"))
    assert find(made, TOOL, "DROP") == AMBIGUOUS
    assert find(made, TOOL, "drop") == 0
    assert find(rules((TOOL, "drop")), TOOL, "DROP") == NONE
    assert find(rules((TOOL, "*"), (TOOL, "drop")), TOOL, "DROP") == 0
