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


def test_the_digest_is_over_all_that_a_tool_says_however_it_is_written() -> None:
    tool = {"name": "add", "description": "Adds.", "inputSchema": {"type": "object"}}
    same = reviewed.read(orjson.dumps([tool])).digests
    assert reviewed.read(orjson.dumps([dict(reversed(tool.items()))], option=orjson.OPT_INDENT_2)).digests == same
    for member, value in {"description": "Adds!", "title": "Add", "inputSchema": {}, "x": 1}.items():
        assert reviewed.read(orjson.dumps([tool | {member: value}])).digests != same


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (orjson.dumps([{"name": "a", "description": "x" * reviewed.LONGEST}]), "longer than 131072"),
        (b'[{"name": "a", "x": ' + b"[" * 300 + b"]" * 300 + b"}]", "too deeply"),
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
