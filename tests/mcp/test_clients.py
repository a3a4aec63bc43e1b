"""Real MCP clients, unmodified, against a server behind real gateways, with a real authorization server."""

from __future__ import annotations

import asyncio
import json
import webbrowser
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("mcp.client.auth", reason="the MCP SDK is absent: pip install 'bearerd[sdks]'")
pytest.importorskip("fastmcp.client", reason="FastMCP is absent: pip install 'bearerd[sdks]'")

import fastmcp
import httpx2
from fastmcp.client.auth import OAuth
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from stage import free_port
from support.mcp_people import CALLBACK, Person
from support.mcp_stage import SECRET, McpStage, running
from support.oidc import program
from support.person import sign_in

GATEWAYS = pytest.mark.parametrize("gateway", ["nginx", "envoy"])
READ = ("read_note", {"name": "shopping"})
DELETE = ("delete_notes", {"name": "old"})
SAID = {"read_note": "shopping: buy milk", "delete_notes": "deleted old"}


@pytest.fixture(scope="module")
def mcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpStage]:
    with running(tmp_path_factory.mktemp("mcp")) as stage:
        yield stage


# ---- the official Python SDK ----


@GATEWAYS
async def test_the_python_sdk_finds_out_registers_signs_in_calls_and_steps_up(mcp: McpStage, gateway: str) -> None:
    person = Person()
    async with person.connected(mcp.url(gateway)) as client:
        assert text(await client.call_tool(*READ)) == SAID["read_note"]
        assert person.scopes() == ["mcp offline_access"]
        assert text(await client.call_tool(*DELETE)) == SAID["delete_notes"]
        assert text(await client.call_tool(*READ)) == SAID["read_note"]
    assert person.scopes() == ["mcp offline_access", "mcp offline_access notes:delete"]
    assert person.client is not None
    assert person.client.issuer == mcp.issuer


async def test_the_python_sdk_may_speak_an_older_version_where_the_gateway_shows_bodies(mcp: McpStage) -> None:
    person = Person()
    async with person.connected(mcp.url("envoy"), mode="legacy") as client:
        assert text(await client.call_tool(*READ)) == SAID["read_note"]
        assert text(await client.call_tool(*DELETE)) == SAID["delete_notes"]
    assert len(person.sent) == 2


# ---- FastMCP ----


@pytest.mark.filterwarnings("ignore:Using in-memory token storage")
@GATEWAYS
async def test_fastmcp_finds_out_registers_signs_in_calls_and_steps_up(
    mcp: McpStage, gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a callback server of its own, and opens a browser: ours."""
    port = free_port()
    callback = f"http://localhost:{port}/callback"
    browsing: list[asyncio.Task[None]] = []

    async def browse(url: str) -> None:
        back = await sign_in(url, callback)
        async with httpx2.AsyncClient(trust_env=False) as browser:
            assert (await browser.get(callback, params=back)).status_code == 200

    def opened(url: str) -> bool:
        browsing.append(asyncio.create_task(browse(url)))
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    async with fastmcp.Client(mcp.url(gateway), auth=OAuth(callback_port=port)) as client:
        for name, arguments in (READ, DELETE, READ):
            assert text(await client.call_tool(name, arguments)) == SAID[name]
    await asyncio.gather(*browsing)
    assert len(browsing) == 2


# ---- the TypeScript SDKs ----


async def typescript(
    mcp: McpStage, gateway: str, sdk: str, *calls: tuple[str, dict[str, Any]], **more: bool
) -> list[tuple[str, str]]:
    """What a program on a TypeScript SDK says; the person that it sends to sign in does so."""
    process = await asyncio.create_subprocess_exec(
        program("node"), "client.mjs", cwd=mcp.node, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"sdk": sdk, "url": mcp.url(gateway), "callback": CALLBACK, "calls": calls} | more
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    said: list[tuple[str, str]] = []
    async for line in process.stdout:
        said += json.loads(line).items()
        what, detail = said[-1]
        if what == "go":
            process.stdin.write(json.dumps(await sign_in(detail, CALLBACK)).encode() + b"\n")
    await process.wait()
    return said


@pytest.mark.parametrize(
    ("gateway", "sdk", "modern"),
    [
        ("nginx", "client-2", True),
        ("envoy", "client-2", True),
        ("envoy", "client-2", False),
        ("envoy", "sdk-1", False),
        ("envoy", "sdk-1-25", False),
    ],
)
async def test_the_typescript_sdk_finds_out_registers_signs_in_calls_and_steps_up(
    mcp: McpStage, gateway: str, sdk: str, modern: bool
) -> None:
    said = await typescript(mcp, gateway, sdk, READ, DELETE, READ, modern=modern)
    assert [what for what, _ in said] == ["go", "result", "go", "result", "result"], said
    assert [detail for what, detail in said if what == "result"] == [SAID[name] for name, _ in (READ, DELETE, READ)]


async def test_the_typescript_sdk_1_refreshes_where_it_should_step_up(mcp: McpStage) -> None:
    """A limit of its own: with a refresh token it asks for the same scopes again, and gives up at the second 403."""
    said = await typescript(mcp, "envoy", "sdk-1", READ, DELETE, refreshes=True)
    assert [what for what, _ in said] == ["go", "result", "error"], said
    assert "403 after trying upscoping" in said[-1][1]
    later = await typescript(mcp, "envoy", "client-2", READ, DELETE, refreshes=True)
    assert [what for what, _ in later] == ["go", "result", "go", "result"], later


async def test_headers_of_an_older_version_are_not_believed(mcp: McpStage) -> None:
    """nginx shows no body, and nothing obliges a server of that version to compare headers with it."""
    said = await typescript(mcp, "nginx", "sdk-1", READ)
    assert [what for what, _ in said] == ["go", "error"], said
    assert '"status":400' in said[-1][1]


# ---- servers that ask /introspect ----


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_fastmcps_introspection_verifier_knows_a_good_token_by_our_word(mcp: McpStage, method: Any) -> None:
    verifier = IntrospectionTokenVerifier(
        introspection_url=mcp.stage.url("bearerd", "/introspect"),
        client_id="notes-server",
        client_secret=SECRET,
        client_auth_method=method,
        required_scopes=["mcp"],
        audience=mcp.url("nginx"),
    )
    token = await Person().token(mcp.url("nginx"))
    access = await verifier.verify_token(token)
    assert access is not None
    assert (access.subject, access.scopes) == ("alice", ["mcp"])
    assert await verifier.verify_token(token[:-4] + "AAAA") is None


async def test_what_the_sdks_example_of_a_verifier_reads_is_said(mcp: McpStage) -> None:
    """It posts the token alone: the caller's name and secret stand in the URL that it is given."""
    url = httpx2.URL(mcp.stage.url("bearerd", "/introspect")).copy_with(username="notes-server", password=SECRET)
    token = await Person().token(mcp.url("envoy"))
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(str(url), data={"token": token})
        assert answer.status_code == 200
        said = answer.json()
        assert said["active"] is True
        assert said["aud"] == mcp.url("envoy")
        assert (said["sub"], said["scope"]) == ("alice", "mcp")
        assert isinstance(said["client_id"], str)
        assert isinstance(said["exp"], int)
        assert (await http.post(str(url), data={"token": "x"})).json() == {"active": False}


def text(result: Any) -> str:
    """What a tool said."""
    return str(result.content[0].text)
