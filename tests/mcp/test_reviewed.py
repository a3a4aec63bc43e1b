"""Reviewed lists of tools: what is not said is as the specification has it."""

from __future__ import annotations

import orjson
import pytest

from bearerd.mcp import reviewed

TOOLS = [
    {"name": "silent"},
    {"name": "reads", "annotations": {"readOnlyHint": True}},
    {"name": "adds", "annotations": {"destructiveHint": False}},
    {"name": "drops", "annotations": {"readOnlyHint": False, "destructiveHint": True}},
]


@pytest.mark.parametrize("shape", [TOOLS, {"tools": TOOLS}, {"jsonrpc": "2.0", "id": 1, "result": {"tools": TOOLS}}])
def test_a_tool_that_says_nothing_of_itself_is_destructive(shape: object) -> None:
    assert reviewed.read(orjson.dumps(shape)).tools == {"silent": True, "reads": False, "adds": False, "drops": True}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "not JSON"),
        (b"7", "no answer to tools/list"),
        (b'{"tools": []}', "no answer to tools/list"),
        (b'{"tools": [{"name": "a"}], "nextCursor": "x"}', "one page"),
        (b'[{"name": "a"}, {"name": "a"}]', "twice"),
        (b'[{"title": "a"}]', "no name"),
        (b'[{"name": "a", "annotations": {"readOnlyHint": "yes"}}]', "neither true nor false"),
    ],
)
def test_what_is_no_whole_list_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        reviewed.read(text)
