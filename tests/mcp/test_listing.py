"""Lists of tools: only those that may be called are shown."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bearerd.mcp import listing

ADD = {"name": "add", "description": "Adds.", "inputSchema": {"type": "object"}}
DROP = {
    "name": "drop",
    "description": "Drops.",
    "inputSchema": {"type": "object"},
    "annotations": {"destructiveHint": True},
}


def message(*tools: Any, **more: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": list(tools), **more}})


def names(text: bytes) -> list[str]:
    return [tool["name"] for tool in orjson.loads(text)["result"]["tools"]]


@pytest.mark.parametrize("text", [b'{"result":{"content":"\\ud83d"}}', b'{"result":{"x":[NaN,Infinity]}}', b"[1e999]"])
def test_what_only_laxer_readers_take_for_json_goes_on_where_it_can_list_nothing(text: bytes) -> None:
    assert listing.shown(text, lambda _: []) == text


@pytest.mark.parametrize(
    "text",
    [
        b'{"result":{"tools":NaN}}',
        b'{"result":{"Tool\\u017f":["\\ud83d"]}}',
        b'{"x":NaN,"X":1}',
        b'{"x":NaN,"result":{"\\u0074ools":[]}}',
        b"NaN}",
        b'\xff{"x":NaN}',
        '{"x":NaN}'.encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_what_might_list_tools_to_them_does_not(text: bytes) -> None:
    with pytest.raises(listing.Unreadable):
        listing.shown(text, lambda _: [])


@pytest.mark.parametrize(
    "result", [None, [], {}, {"tools": {}}, {"tools": ["add"]}, {"tools": [{"title": "a"}]}, {"tools": [{"name": 1}]}]
)
def test_what_is_no_list_of_tools_is_none(result: Any) -> None:
    assert listing.tools_of(result) is None


def test_only_what_is_kept_is_shown_and_all_else_stays() -> None:
    shown = listing.shown(
        message(ADD, DROP, nextCursor="2"), lambda tools: [tool for tool in tools if tool.name == "add"]
    )
    assert orjson.loads(shown) == {"jsonrpc": "2.0", "id": 1, "result": {"tools": [ADD], "nextCursor": "2"}}


def test_what_is_shown_is_what_was_read_also_where_all_of_it_is() -> None:
    twice = message(ADD).replace(b'"name":"add"', b'"name":"drop","name":"add"')
    assert names(listing.shown(twice, lambda tools: tools)) == ["add"]
    assert b"drop" not in listing.shown(twice, lambda tools: tools)


def test_messages_without_tools_go_on_as_they_came() -> None:
    for text in (b'{"jsonrpc":"2.0",  "id":1,"result":{}}', b'{"error":{"code":1}}', b"[]", b'{"result":[]}'):
        assert listing.shown(text, lambda _: []) is text


def test_of_several_answers_each_is_looked_at() -> None:
    text = b"[" + message(ADD) + b"," + message(DROP) + b"]"
    shown = orjson.loads(listing.shown(text, lambda tools: [tool for tool in tools if tool.name == "add"]))
    assert [answer["result"]["tools"] for answer in shown] == [[ADD], []]


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"result":{"tools":[1]}}', b'{"result":{"tools":null}}', b'[{"result":{"tools":{}}}]']
)
def test_what_cannot_be_read_is_not_shown(text: bytes) -> None:
    with pytest.raises(listing.Unreadable):
        listing.shown(text, lambda tools: tools)


def test_of_a_member_that_stands_twice_only_what_was_read_goes_on() -> None:
    twice = b'{"result":{"tools":[{"name":"drop"}]},"result":{}}'
    assert listing.shown(twice, lambda tools: tools) == b'{"result":{}}'
