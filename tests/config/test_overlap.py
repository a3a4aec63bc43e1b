"""Path patterns of two resources: whether a path could be both's, held against the very matcher that chooses."""

from __future__ import annotations

import itertools
import random

import pytest

from bearerd._native.rules import AMBIGUOUS, NONE, BadPattern, Rules
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
        ("/tasks/**", "/ta\u017fks/**"),  # U+017F is an s to whoever ignores case by Unicode
        ("/\u212a", "/k"),
        ("/stra\u00dfe", "/STRASSE"),
        ("/v1/**", "/v1*/**"),  # Windows serves /v1./x as /v1/x
        ("/admin/**", "/admin./x"),
        ("/a /b", "/a/b./"),
        ("/a", "/a*"),
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
        ("/v1/**", "/v1.0/**"),
        ("/a.b", "/ab"),
        ("/a b", "/ab"),
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


def test_what_is_a_near_miss_between_rules_is_one_between_resources() -> None:
    """A path that the one resource's pattern matches, and the other's misses narrowly, is nobody's to give away."""
    segments = ["a", "A", "b", "a.", "a ", "B.", "ab", "k", "\u212a", "s", "\u017f"]
    paths = [
        f"/{'/'.join(parts)}{end}"
        for n in (1, 2)
        for parts in itertools.product(segments, repeat=n)
        for end in ("", "/")
    ]
    draw = random.Random(2)
    near = 0
    for _ in range(600):
        first, second = (_of([*segments, "*", "a*", "*b"], draw) for _ in range(2))
        rules = Rules([(None, first, False), (None, second, False)])
        if any(rules.match(b"GET", path.encode(), False) == AMBIGUOUS for path in paths):
            near += 1
            assert overlap(first, second), (first, second)
    assert near > 10


def _of(segments: list[str], draw: random.Random) -> str:
    text = "/" + "/".join(draw.choice(segments) for _ in range(draw.randrange(1, 3)))
    return text + draw.choice(["", "", "/", "/**"])


def _pattern(draw: random.Random) -> str:
    parts = [draw.choice(["a", "b", "A", "*", "a*", "*b", "a*b", "*a*", ""]) for _ in range(draw.randrange(1, 4))]
    text = "/" + "/".join(parts)
    return text.rstrip("/") + "/**" if draw.random() < 0.3 else text


def _matched(pattern: str, paths: set[str]) -> tuple[str, set[str]]:
    rules = Rules([(None, pattern, False)])
    return pattern, {path for path in paths if rules.match(b"GET", path.encode(), False) != NONE}
