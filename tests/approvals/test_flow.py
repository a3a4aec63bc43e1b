"""From a question to its answer: a client learns what to wait for, whatever else it is not told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from support.approving import BOB, PAGE, asked
from support.house import API, House, config, token
from support.mcp_server import McpServer

from bearerd.explain import explain
from bearerd.faces import answer, forms
from bearerd.faces.forms import Form
from bearerd.flow import Flow
from bearerd.refusals import Approval, Code
from bearerd.store import client as clients
from bearerd.store.server import Durability

if TYPE_CHECKING:
    from pathlib import Path

    from support.wire import Reply

    from bearerd.decision import Decision
    from bearerd.request import Request
    from bearerd.store.client import Client


def house(tmp_path: Path, client: Client, **table: Any) -> House:
    (tmp_path / "audit.key").write_bytes(b"k" * 48)
    made = config(
        tmp_path,
        resource={"api": {"identifier": API, "rule": [{"confirm": True}]} | table},
        approvals=dict(PAGE),
        audit={"sink": "file", "file": tmp_path / "audit.jsonl", "key_file": tmp_path / "audit.key"},
    )
    found = House(made, tmp_path)
    found.service.approvals.join(client)
    found.service.approvals.durable(Durability())
    return found


def request(**claims: Any) -> Request:
    return asked(None, (b"Authorization", b"Bearer " + token(**claims).encode()))


async def decided(of: House, **claims: Any) -> Decision:
    return await Flow(of.service).decide("api", request(**claims))


async def test_the_decision_names_the_approval_and_so_does_the_answer(tmp_path: Path, client: Client) -> None:
    of = house(tmp_path, client)
    refused = await decided(of)
    assert (refused.code, refused.status, refused.reuse) == (Code.CONFIRMATION_REQUIRED, 403, None)
    assert refused.approval is not None
    said = json.loads(answer.answer(refused, "id", "envoy").body)
    assert "code" not in said
    assert said["approval"] == {
        "id": refused.approval.id,
        "state": "pending",
        "url": f"https://approvals.example/a/{refused.approval.id}",
        "expires_in": refused.approval.expires_in,
    }
    book = of.service.approvals.book
    assert book is not None
    found = await book.find(refused.approval.id)
    assert found is not None
    await of.service.approvals.decide(found, BOB, approved=True)
    allowed = await decided(of)
    assert (allowed.allowed, allowed.reuse) == (True, None)
    assert allowed.approval is not None
    assert (allowed.approval.id, allowed.approval.state) == (refused.approval.id, "used")
    assert not (await decided(of)).allowed


async def test_a_call_that_is_refused_anyway_asks_nobody(tmp_path: Path, client: Client) -> None:
    of = house(tmp_path, client, scopes=["more"])
    assert (await decided(of)).code is Code.INSUFFICIENT_SCOPE
    book = of.service.approvals.book
    assert book is not None
    assert await book.standing() == []


async def test_while_the_store_is_away_nothing_that_needs_a_yes_passes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = config(tmp_path, resource={"api": {"identifier": API, "rule": [{"confirm": True}]}}, approvals=dict(PAGE))
    of = House(made, tmp_path)
    assert (await decided(of)).code is Code.STALE_STATE  # no store was joined
    away = clients.connect(made.store, timeout=0.5)
    of.service.approvals.join(away)
    assert (await decided(of)).code is Code.STALE_STATE
    await away.close()
    assert not [one for one in caplog.records if one.exc_info]  # an outage is no fault of ours


async def test_at_envoy_a_call_waits_passes_once_and_is_refused_again(tmp_path: Path, client: Client) -> None:
    table = {"kind": "mcp", "gateway": "envoy", "rule": [{"tool": "delete", "confirm": True}, {"tool": "*"}]}
    of = house(tmp_path, client, **table)
    async with of:
        refused = await called(of, "/tmp/x")
        error = refused.json()["error"]
        assert (refused.status, error["code"]) == (403, -32004)
        approval = error["data"]["approval"]
        assert approval["url"] == f"https://approvals.example/a/{approval['id']}"
        book = of.service.approvals.book
        assert book is not None
        found = await book.find(approval["id"])
        assert found is not None
        assert (found.call.name, found.call.arguments) == ("delete", '{"path":"/tmp/x"}')
        await of.service.approvals.decide(found, BOB, approved=True)
        assert (await called(of, "/tmp/y")).status == 403
        assert [(await called(of, "/tmp/x")).status for _ in range(2)] == [200, 403]


@pytest.mark.parametrize(
    ("version", "capabilities", "status", "error"),
    [
        ("2025-11-25", None, 403, -32004),  # what the session declared is not known
        ("2025-11-25", {"elicitation": {"url": {}}}, 200, -32042),
        ("2026-07-28", {"elicitation": {"url": {}}}, 200, None),
        ("2026-07-28", {"elicitation": {"form": {}}}, 403, -32004),
    ],
)
async def test_at_the_proxy_a_client_is_sent_to_the_page_in_the_form_it_declared_and_the_audit_says_refused(
    tmp_path: Path, client: Client, version: str, capabilities: Any, status: int, error: int | None
) -> None:
    table = {"kind": "mcp", "upstream": "http://127.0.0.1:1/mcp", "audit": "all"}
    of = house(tmp_path, client, **table, rule=[{"tool": "delete", "confirm": True}])
    recorded: list[bytes] = []
    assert of.service.audit is not None
    of.service.audit.take = recorded.append  # type: ignore[method-assign]
    async with of:
        reply = await called(of, "/tmp/x", version, capabilities, target="/mcp/api")
    assert (reply.status, reply["Content-Type"]) == (status, "application/json")
    said = reply.json()
    assert said.get("error", {}).get("code") == error
    assert said["id"] == 1
    (record,) = recorded
    found = json.loads(b"{" + record + b"}")
    assert (found["reason"], found["decision"], found["mode"]) == ("confirmation_required", "forbid", "body")
    assert found["approval"] in reply.body.decode()


async def called(
    of: House, path: str, version: str = "2025-11-25", capabilities: Any = None, target: str = "/ext_authz/api/mcp"
) -> Reply:
    params: dict[str, Any] = {"name": "delete", "arguments": {"path": path}}
    if capabilities is not None:
        meta = {"protocolVersion": version, "clientCapabilities": capabilities}
        params["_meta"] = {f"io.modelcontextprotocol/{name}": value for name, value in meta.items()}
    said = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = (
        ("Authorization", f"Bearer {token()}"),
        ("MCP-Protocol-Version", version),
        ("Content-Type", "application/json"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "delete"),
    )
    return await of.ask(target, *headers, method="POST", body=json.dumps(said).encode())


async def test_explain_says_that_somebody_would_be_asked_and_asks_nobody(tmp_path: Path, client: Client) -> None:
    of = house(tmp_path, client)
    told = await explain(of.service, token().encode(), "api", None, None)
    assert [step.name for step in told.steps][-2:] == ["confirmation", "decision"]
    book = of.service.approvals.book
    assert book is not None
    assert await book.standing() == []


def test_people_read_no_approval_in_the_other_forms() -> None:
    told = forms.Told(403, "id", None, None, Approval("abc", "pending", "https://approvals.example/a/abc", 9))
    for form in (Form.HTML, Form.TEXT):
        assert b"abc" not in forms.body(told, form)


async def test_a_client_that_names_its_own_retry_passes_once_all_the_same(tmp_path: Path, client: Client) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop", "arguments": {}}}
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token()}", "X-Request-Id": "0" * 32}
    async with McpServer() as server, aiohttp.ClientSession() as session:
        table = {"kind": "mcp", "identifier": API, "upstream": server.url, "rule": [{"tool": "*", "confirm": True}]}
        approvals = dict(PAGE) | {"attempt_header": "X-Request-Id"}
        async with House(config(tmp_path, resource={"api": table}, approvals=approvals), tmp_path) as of:
            office = of.service.approvals
            office.join(client)
            office.durable(Durability())
            statuses = []
            for _ in range(3):
                url = f"http://127.0.0.1:{of.port}/mcp/api"
                async with session.post(url, data=orjson.dumps(call), headers=fields) as reply:
                    statuses.append(reply.status)
                if office.book is not None and len(statuses) == 1:
                    (found,) = await office.book.standing()
                    await office.decide(found, BOB, approved=True)
        assert statuses == [403, 200, 403]
        assert len(server.seen) == 1
