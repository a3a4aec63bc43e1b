"""Path patterns of two resources: whether a path could be both's, held against the very matcher that chooses."""

from __future__ import annotations

import itertools
import random

import pytest

from bearerd._native.rules import NONE, BadPattern, Rules
from bearerd.config.overlap import overlap


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/v1/**", "/v1/**"),
        ("/**", "/v1"),
        ("/v1/**", "/v1/a/b"),
        ("/v1", "/v1"),
        ("/v1", "/v1/"),
        ("/v1", "/V1"),
        ("/v1", "/v1/**"),  # an upstream may serve /v1/ as /v1
        ("/V1/**", "/v1/x"),
        ("/*", "/v1"),
        ("/a*", "/*b"),
        ("/a*c/**", "/ab*/x"),
        ("/*/x", "/v1/*"),
        ("/**", "/"),
        ("/*/**", "/v1/x"),
    ],
)
def test_patterns_that_share_a_path_are_told(first: str, second: str) -> None:
    assert overlap(first, second)
    assert overlap(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/v1/**", "/v2/**"),
        ("/v1", "/v10"),
        ("/v1/**", "/v10/**"),
        ("/v1/*", "/v1/a/b"),
        ("/*.js", "/*.css"),
        ("/a*", "/b*"),
        ("/", "/v1"),
        ("/*", "/a/b"),
        ("/*/x/**", "/a/y/**"),
        ("/ab", "/a*b"),  # a star is one character at least
    ],
)
def test_patterns_that_share_none_are_not(first: str, second: str) -> None:
    assert not overlap(first, second)
    assert not overlap(second, first)


def test_no_two_patterns_that_a_path_can_match_are_missed() -> None:
    """Every short path, as an upstream may read it that knows neither case nor a final slash."""
    segments = ["a", "A", "b", "ab", "aB", "ba", "aab", ""]
    paths = {f"/{'/'.join(parts)}" for n in (1, 2, 3) for parts in itertools.product(segments, repeat=n)}
    paths = {path for path in paths if "//" not in path}
    draw = random.Random(1)
    told = missed = 0
    for _ in range(3000):
        try:
            first, second = (_matched(_pattern(draw), paths) for _ in range(2))
        except BadPattern:
            continue
        near = {path.lower().removesuffix("/") or "/" for path in first[1]}
        # One of them has the path itself; the other has it, or one that is the same to the laxest reader.
        shared = any((path.lower().removesuffix("/") or "/") in near for path in second[1])
        found = overlap(first[0], second[0])
        told += found
        missed += shared and not found
    assert missed == 0
    assert 300 < told < 2900


def _pattern(draw: random.Random) -> str:
    parts = [draw.choice(["a", "b", "A", "*", "a*", "*b", "a*b", "*a*", ""]) for _ in range(draw.randrange(1, 4))]
    text = "/" + "/".join(parts)
    return text.rstrip("/") + "/**" if draw.random() < 0.3 else text


def _matched(pattern: str, paths: set[str]) -> tuple[str, set[str]]:
    rules = Rules([(None, pattern, False)])
    return pattern, {path for path in paths if rules.match(b"GET", path.encode(), False) != NONE}
