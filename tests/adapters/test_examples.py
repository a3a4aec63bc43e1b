"""The programs of examples/python, started as they stand."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ask import Answer, request, token
from stage import Stage, free_port

pytest.importorskip("mcp.client.auth", reason="the MCP SDK is absent: pip install 'bearerd[sdks]'")
pytest.importorskip("fastmcp.client", reason="FastMCP is absent: pip install 'bearerd[sdks]'")

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

ROOT = Path(__file__).parents[2]
PROGRAMS = {"notes_mcp": 9001, "notes_fastmcp": 9002, "orders_starlette": 9003, "stock_aiohttp": 9004}


class Running:
    """The four, each in a folder of its own, and an issuer."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ports = {name: free_port() for name in PROGRAMS}
        for name, usual in PROGRAMS.items():
            stage.changes |= {f"port={usual}": f"port={self.ports[name]}"}
            stage.changes |= {f"127.0.0.1:{usual}": f"127.0.0.1:{self.ports[name]}"}
        self._copied = stage.copy("python")
        for name in PROGRAMS:  # one after the other: each is given so much time to listen
            self._start(name)

    def _start(self, name: str) -> None:
        folder = self.stage.folder / name
        shutil.copytree(self._copied, folder)
        command = [sys.executable, str(folder / f"{name}.py")]
        self.stage.start(name, command, port=self.ports[name], cwd=folder)

    def token(self, audience: str, scope: str) -> str:
        return token(self.stage.ports["issuer"], "alice", audience, scope)

    def get(self, name: str, path: str, bearer: str | None = None) -> Answer:
        fields = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        return request(self.ports[name], "GET", path, fields)

    def url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Stage.on_free_ports(tmp_path_factory.mktemp("examples")) as stage:
        stage.start_issuer()
        yield Running(stage)


@pytest.mark.parametrize(
    ("name", "path", "scope"),
    [("orders_starlette", "/orders/7", "orders:read"), ("stock_aiohttp", "/stock/tea", "stock:read")],
)
def test_an_application_serves_whom_its_rules_allow(examples: Running, name: str, path: str, scope: str) -> None:
    audience = examples.url(name, "/")
    assert json.loads(examples.get(name, path, examples.token(audience, scope)).body)["for"] == "alice"
    refused = examples.get(name, path)
    assert refused.status == 401
    metadata = examples.url(name, "/.well-known/oauth-protected-resource")
    assert f'resource_metadata="{metadata}"' in refused.headers["www-authenticate"]
    described = examples.get(name, "/.well-known/oauth-protected-resource")
    assert json.loads(described.body)["resource"] == audience
    assert examples.get(name, path, examples.token(audience, "other")).status == 403
    assert examples.get(name, path, examples.token("https://elsewhere.example/", scope)).status == 401


@asynccontextmanager
async def connected(url: str, bearer: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


@pytest.mark.parametrize("name", ["notes_mcp", "notes_fastmcp"])
async def test_an_mcp_server_shows_and_does_what_the_token_may(examples: Running, name: str) -> None:
    url = examples.url(name, "/mcp")
    bearer = await asyncio.to_thread(examples.token, url, "notes")
    async with connected(url, bearer) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["read_note"]
        assert text(await client.call_tool("read_note", {"name": "x"})) == "x: buy milk"
        with pytest.raises(MCPError, match="Forbidden") as refusal:
            await client.call_tool("delete_notes", {})
        assert (refusal.value.error.code, refusal.value.error.data["status"]) == (-32003, 403)
        assert 'scope="notes notes:delete"' in refusal.value.error.data["www_authenticate"]
        assert bearer not in str(refusal.value.error)
        assert "Forbidden" in await refused(client, "DELETE_notes")
        assert "called by its name" in await refused(client, "__0123456789ab_delete_notes") or name == "notes_mcp"
    bearer = await asyncio.to_thread(examples.token, url, "notes notes:delete")
    async with connected(url, bearer) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"read_note", "delete_notes"}
        assert text(await client.call_tool("delete_notes", {})) == "deleted"


async def refused(client: Client, tool: str) -> str:
    """What the client is told: an error of JSON-RPC, or one of the tool's."""
    try:
        result = await client.call_tool(tool, {})
    except MCPError as error:
        return str(error)
    assert result.is_error
    return text(result)


def text(result: Any) -> str:
    """What a tool said."""
    return str(result.content[0].text)


@pytest.mark.parametrize("name", ["notes_mcp", "notes_fastmcp"])
def test_an_mcp_server_tells_its_clients_who_issues_tokens(examples: Running, name: str) -> None:
    refused = examples.get(name, "/mcp")
    assert refused.status == 401
    metadata = examples.url(name, "/.well-known/oauth-protected-resource/mcp")
    assert f'resource_metadata="{metadata}"' in refused.headers["www-authenticate"]
    described = json.loads(examples.get(name, "/.well-known/oauth-protected-resource/mcp").body)
    assert described["resource"] == examples.url(name, "/mcp")
    assert [issuer.rstrip("/") for issuer in described["authorization_servers"]] == [examples.stage.url("issuer")]
    assert described["scopes_supported"] == ["notes"]
    few = examples.token(examples.url(name, "/mcp"), "other")
    refused = examples.get(name, "/mcp", few)
    assert (refused.status, 'error="insufficient_scope"' in refused.headers["www-authenticate"]) == (403, True)
