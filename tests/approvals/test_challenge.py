"""Each client is told to wait in the form that it declared, and in no other."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bearerd.approvals.challenge import challenge
from bearerd.mcp.operation import Operation
from bearerd.refusals import Approval

WAITS = Approval("abc", "pending", "https://approvals.example/a/abc", 60)
URL = {"elicitation": {"form": {}, "url": {}}}


def told(version: Any = "2026-07-28", capabilities: Any = URL, approval: Any = WAITS, **more: Any) -> Any:
    said = {"method": "tools/call", "request_id": 7} | more
    operation = Operation(said["method"], "delete", "body", version, {}, said["request_id"], capabilities)
    found = challenge(approval, operation)
    return None if found is None else orjson.loads(found)


def test_a_client_of_2026_07_28_gets_an_input_required_result() -> None:
    said = told()
    assert (said["jsonrpc"], said["id"]) == ("2.0", 7)
    assert said["result"]["resultType"] == "input_required"
    (request,) = said["result"]["inputRequests"].values()
    assert request["method"] == "elicitation/create"
    assert request["params"].keys() == {"mode", "message", "url"}
    assert (request["params"]["mode"], request["params"]["url"]) == ("url", WAITS.url)


def test_a_client_of_2025_11_25_gets_the_error_that_names_the_page() -> None:
    error = told("2025-11-25")["error"]
    assert error["code"] == -32042
    (elicitation,) = error["data"]["elicitations"]
    assert elicitation["elicitationId"] == "abc"
    assert (elicitation["mode"], elicitation["url"]) == ("url", WAITS.url)


@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
@pytest.mark.parametrize(
    "capabilities",
    [
        None,
        {},
        {"elicitation": {}},
        {"elicitation": {"form": {}}},
        {"elicitation": {"url": True}},
        {"elicitation": "url"},
    ],
)
def test_who_did_not_declare_it_gets_neither(version: str, capabilities: Any) -> None:
    assert told(version, capabilities) is None


@pytest.mark.parametrize("version", [None, "2025-06-18", "2025-03-26", "2026-01-01", "9", "DRAFT-2026-07-28"])
def test_nor_does_a_version_that_has_no_such_thing(version: Any) -> None:
    assert told(version) is None


def test_nor_a_notification_another_method_or_what_was_denied_or_has_no_page() -> None:
    assert told(request_id=None) is None
    assert told(method="ping") is None
    assert told(approval=None) is None
    assert told(approval=Approval("abc", "denied", WAITS.url, 60)) is None
    assert told(approval=Approval("abc", "pending", None, 60)) is None


def test_what_a_session_declared_is_the_face_s_to_know() -> None:
    operation = Operation("tools/call", "delete", "body", "2025-11-25", {}, 7)
    assert challenge(WAITS, operation) is None
    assert challenge(WAITS, operation, URL) is not None


def test_the_sdk_reads_both() -> None:
    types = pytest.importorskip("mcp_types", reason="the MCP SDK is not installed")
    types.InputRequiredResult.model_validate(told()["result"])
    types.ElicitationRequiredErrorData.model_validate(told("2025-11-25")["error"]["data"])
