"""Operations that an MCP server has read by itself: decided by name and arguments, and told within JSON-RPC."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from adapters.scene import file
from support.approving import BOB
from support.house import API, token

import bearerd
from bearerd.adapters import operations
from bearerd.adapters.operations import Operations, read
from bearerd.mcp import errors

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "2025-11-25"


def call(tool: str) -> operations.Operation:
    return read("tools/call", {"name": tool, "arguments": {"a": 1}}, VERSION)


@pytest.mark.parametrize(
    "parameters", [{"name": "x", "arguments": {"a": 1}}, SimpleNamespace(name="x", arguments={"a": 1})]
)
def test_parameters_are_read_as_json_and_as_a_model(parameters: object) -> None:
    found = read("tools/call", parameters, VERSION)
    assert (found.item, found.name, found.arguments, found.mode) == ("tool", "x", {"a": 1}, "body")


def test_what_has_no_name_names_nothing() -> None:
    assert read("tools/call", {"arguments": "x"}).name is None
    assert read("resources/read", None).name is None
    assert read("resources/read", {"uri": "file:///x", "name": "y"}).name == "file:///x"
    assert read("tools/list", {"name": "x"}) == operations.Operation("tools/list", None, "body")


async def test_an_operation_passes_by_its_rule_or_is_told_what_it_lacks(verifier: bearerd.Verifier) -> None:
    gate = Operations(verifier, "notes")
    assert await gate.refused(token(), call("read_note"), None) is None
    refused = await gate.refused(token(), call("delete_notes"), None)
    assert refused is not None
    assert refused.scopes == ("read", "admin")
    assert (refused.data["status"], refused.data["error"]) == (403, "insufficient_scope")
    assert 'scope="read admin"' in refused.data["www_authenticate"]
    assert await gate.refused(token(scope="read admin"), call("delete_notes"), None) is None
    for credential in (None, "", "x"):
        refused = await gate.refused(credential, call("read_note"), None)
        assert refused is not None
        assert (refused.data["status"], refused.scopes) == (401, ())
    for tool in ("drop_tables", "DELETE_notes", ""):
        refused = await gate.refused(token(scope="read admin"), call(tool), None)
        assert refused is not None, tool
        assert refused.number == errors.FORBIDDEN
    unknown = read("tools/steal", {}, VERSION)
    assert await gate.refused(token(), unknown, None) is not None
    assert await gate.refused(token(), read("tools/list", {}, VERSION), None) is None


async def test_nothing_of_a_refusal_tells_why_unless_the_configuration_says_so(tmp_path: Path) -> None:
    path = file(tmp_path)
    for reveal in (False, True):
        path.write_text(
            path.read_text().replace("data_dir", "reveal_reason = true\ndata_dir" if reveal else "data_dir")
        )
        async with bearerd.Verifier.from_config(path) as verifier:
            refused = await Operations(verifier, "notes").refused(token(exp=5), call("read_note"), None)
            assert refused is not None
            assert ("expired" in str(refused)) is reveal


async def test_what_the_asgi_middleware_has_decided_is_decided_once(verifier: bearerd.Verifier) -> None:
    gate, good = Operations(verifier, "notes"), token(scope="read admin")
    allowed = await verifier.verify(good, resource="notes", tool="delete_notes")
    assert allowed.allowed
    assert await gate.refused(None, call("delete_notes"), {"bearerd": allowed}) is None
    others = await verifier.verify(good, resource="plain")
    assert others.allowed
    refused = await verifier.verify(token(), resource="notes", tool="delete_notes")
    for decision in (others, refused, True, None):
        assert await gate.refused(token(), call("delete_notes"), {"bearerd": decision}) is not None


async def test_a_list_shows_what_the_token_may_use_and_asking_counts_for_nothing(verifier: bearerd.Verifier) -> None:
    gate, tools = Operations(verifier, "notes"), ["read_note", "delete_notes", "drop_tables"]
    assert await gate.refused(token(), read("tools/list", {}, VERSION), None) is None
    service = verifier._service
    assert service is not None
    ring = len(service.recorder.ring)
    assert gate.visible(token(), "tool", tools, str) == ["read_note"]
    assert gate.visible(token(scope="read admin"), "tool", tools, str) == ["read_note", "delete_notes"]
    assert gate.visible(None, "tool", tools, str) == []
    assert len(service.recorder.ring) == ring


SETTLED = f"""
[resource.settled]
kind = "mcp"
identifier = "https://settled.example/mcp"
audience = ["{API}"]
[[resource.settled.rule]]
tool = "read_*"
rate = "1/d"
[[resource.settled.rule]]
tool = "delete_*"
confirm = true
[approvals]
listen = "127.0.0.1:0"
url = "https://approvals.example"
issuer = "https://login.example"
client_id = "bearerd"
approvers = {{ roles = ["approver"] }}
"""


async def test_a_budget_that_is_spent_and_a_call_that_waits_for_a_human_are_told_with_the_way_on(
    tmp_path: Path,
) -> None:
    async with bearerd.Verifier.from_config(file(tmp_path, SETTLED)) as verifier:
        gate = Operations(verifier, "settled")
        assert await gate.refused(token(), call("read_note"), None) is None
        spent = await gate.refused(token(), call("read_note"), None)
        assert spent is not None
        assert (spent.data["status"], spent.data["retry_after"] > 1000) == (429, True)
        waits = await gate.refused(token(), call("delete_notes"), None)
        while waits is not None and waits.data["status"] == 503:  # what durability the store has is not known yet
            await asyncio.sleep(0.05)
            waits = await gate.refused(token(), call("delete_notes"), None)
        assert waits is not None
        assert (waits.number, waits.data["status"]) == (-32004, 403)
        told = waits.data["approval"]
        assert (told["state"], told["url"]) == ("pending", f"https://approvals.example/a/{told['id']}")
        service = verifier._service
        assert service is not None
        assert service.approvals.book is not None
        found = await service.approvals.book.find(told["id"])
        assert found is not None
        await service.approvals.decide(found, BOB, approved=True)
        assert [await gate.refused(token(), call("delete_notes"), None) is None for _ in range(2)] == [True, False]


def test_the_version_is_what_the_request_says_once() -> None:
    field = (b"MCP-Protocol-Version", VERSION.encode())
    assert operations.version({"headers": [field]}) == VERSION
    assert operations.version({"headers": [field, field]}) is None
    assert operations.version(None) is None
