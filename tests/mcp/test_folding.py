"""Narrow misses, and URIs with two readings."""

from __future__ import annotations

import pytest

from bearerd.mcp import folding


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("tool", "Delete_User", "delete_user"),
        ("tool", "dele\uff54e", "delete"),
        ("prompt", "\u017fend", "send"),
        ("mcp", "Tools/List", "tools/list"),
        ("resource", "file:///%73ecret", "file:///secret"),
        ("resource", "FILE:///Secret/", "file:///secret"),
        ("resource", "file:/secret", "file:///secret"),
        ("resource", "file://localhost/secret", "file:///secret"),
        ("resource", "db://users?limit=1", "db://users"),
    ],
)
def test_what_some_server_takes_for_the_same_is_folded_to_the_same(kind: str, one: str, other: str) -> None:
    assert folding.folded(kind, one) == folding.folded(kind, other)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///a/../b", "file:///a/./b", "file:///a/..", "file:////b", "file:///a//b", "file:///a\\b", "file:///a b",
        "file:///a%2fb", "file:///a%2E%2e/b", "file:///a%5cb", "file:///a%00", "file:///a%", "file:///a%zz", "file:///a#b",
        "file:///a%3fb", "file:///a%25b", "file:///a\n", "noscheme", "../x:y", "file:///a\u202e",
    ],
)  # fmt: skip
def test_a_uri_that_can_be_read_in_two_ways_says_why(uri: str) -> None:
    assert folding.ambiguous(uri)


@pytest.mark.parametrize(
    "uri",
    ["file:///a/b.txt", "file:///caf%C3%A9", "https://x.example/a?b=/../c", "note:7", "db://users/7?x=1", "s3://b/k~"],
)
def test_other_uris_have_one_reading(uri: str) -> None:
    assert folding.ambiguous(uri) is None
