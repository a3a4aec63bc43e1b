"""A call that goes on with a client's answers is told from one that its arguments say all of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from bearerd.adapters import operations
from bearerd.limits import Limits
from bearerd.mcp import body
from bearerd.mcp.operation import Operation

ACCEPTED = {"action": "accept"}
HEADERS = [(b"Content-Type", b"application/json"), (b"MCP-Protocol-Version", b"2025-11-25")]


def read(**more: Any) -> Operation:
    params = {"name": "pay", "arguments": {}} | more
    sent = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    found = body.read("POST", HEADERS, sent, Limits())
    assert isinstance(found, Operation)
    assert found.goes_on == operations.read("tools/call", params).goes_on
    return found


@pytest.mark.parametrize(
    "more",
    [
        {"inputResponses": {"amount": ACCEPTED | {"content": {"amount": 1}}}},
        {"inputResponses": {"approval": ACCEPTED | {"content": {"amount": 1}}}},
        {"inputResponses": {"approval": ACCEPTED | {"roots": []}}},
        {"inputResponses": {"approval": ACCEPTED, "amount": ACCEPTED}},
        {"inputResponses": {"approval": "yes"}},
        {"inputResponses": ["approval"]},
        {"requestState": "c3RhdGU"},
    ],
)
def test_whatever_a_server_may_act_on_counts(more: dict[str, Any]) -> None:
    assert read(**more).goes_on


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"inputResponses": None, "requestState": None},
        {"inputResponses": {"approval": ACCEPTED}},
        {"inputResponses": {"approval": ACCEPTED | {"content": {}}}},
    ],
)
def test_the_answer_to_our_own_question_does_not(more: dict[str, Any]) -> None:
    assert not read(**more).goes_on


@pytest.mark.parametrize(("content", "expected"), [(None, False), ({"amount": 1}, True)])
def test_a_model_of_the_parameters_is_read_the_same(content: Any, expected: bool) -> None:
    answers = {"approval": SimpleNamespace(action="accept", content=content)}
    given = SimpleNamespace(name="pay", arguments={}, input_responses=answers, request_state=None)
    assert operations.read("tools/call", given).goes_on is expected
