"""Header mode in the lane: the same answers, lines and counts as aiohttp's, and none of them asks Python twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.house import API
from support.lanes import Pair, made, question, tokens

VERSION = ("MCP-Protocol-Version", "2026-07-28")
RULES: list[dict[str, Any]] = [
    {"tool": ["get_*", "Search"], "scopes": ["read"]},
    {"tool": "drop", "scopes": ["admin"]},
    {"tool": "d*"},
    {"resource": "file:///srv/secret", "scopes": ["admin"]},
    {"resource": "file:///srv/**"},
    {"prompt": "greet"},
    {"mcp": "prompts/list", "scopes": ["admin"]},
]
SERVER = {"identifier": API, "kind": "mcp", "mcp_headers": "checked", "mcp_body": "unread", "rule": RULES}
TABLES = {
    "mcp": SERVER | {"gateway": ["nginx", "envoy"]},
    "mcp-f": SERVER | {"gateway": "forwarded"},
    "body": SERVER | {"gateway": "envoy", "mcp_body": "required"},
    "free": {"identifier": API, "kind": "mcp", "gateway": ["nginx", "envoy"]},
    "reviewed": SERVER | {"gateway": "nginx", "rule": [{"tool": "*"}]},
}
TOKENS = tokens()
CALL = ("Mcp-Method", "tools/call")
READ = ("Mcp-Method", "resources/read")
ASKED: list[list[tuple[str, str]]] = [
    [VERSION, CALL, ("Mcp-Name", "get_x")],
    [VERSION, CALL, ("Mcp-Name", "GET_x")],
    [VERSION, CALL, ("mcp-name", "drop")],
    [VERSION, CALL, ("Mcp-Name", "Drop")],
    [VERSION, CALL, ("Mcp-Name", "dig")],
    [VERSION, CALL, ("Mcp-Name", "Search")],
    [VERSION, CALL, ("Mcp-Name", "a,b")],
    [VERSION, CALL, ("Mcp-Name", "get_x,drop")],
    [VERSION, CALL, ("Mcp-Name", "=?base64?ZHJvcA==?=")],
    [VERSION, CALL, ("Mcp-Name", "=?base64?ZHJvcA?=")],
    [VERSION, CALL, ("Mcp-Name", "")],
    [VERSION, CALL, ("Mcp-Name", "dig"), ("Mcp-Name", "dig")],
    [VERSION, CALL, ("Mcp-Name", "dig"), ("Mcp_Name", "drop")],
    [VERSION, CALL, CALL, ("Mcp-Name", "dig")],
    [VERSION, VERSION, CALL, ("Mcp-Name", "dig")],
    [VERSION, CALL],
    [VERSION],
    [CALL, ("Mcp-Name", "dig")],
    [("MCP-Protocol-Version", "2025-11-25"), CALL, ("Mcp-Name", "dig")],
    [VERSION, READ, ("Mcp-Name", "file:///srv/a/b.txt")],
    [VERSION, READ, ("Mcp-Name", "file:///srv/secret")],
    [VERSION, READ, ("Mcp-Name", "file:///srv/SECRET")],
    [VERSION, READ, ("Mcp-Name", "file:///srv/%73ecret")],
    [VERSION, READ, ("Mcp-Name", "file:///srv/../x")],
    [VERSION, READ, ("Mcp-Name", "file:///srv//x")],
    [VERSION, READ, ("Mcp-Name", "file:/srv/x")],
    [VERSION, READ, ("Mcp-Name", "file://localhost/srv/secret")],
    [VERSION, READ, ("Mcp-Name", "file:///srv/secret/")],
    [VERSION, ("Mcp-Method", "prompts/get"), ("Mcp-Name", "greet")],
    [VERSION, ("Mcp-Method", "tools/list")],
    [VERSION, ("Mcp-Method", "tools/list"), ("Mcp-Name", "x")],
    [VERSION, ("Mcp-Method", "prompts/list")],
    [VERSION, ("Mcp-Method", "Prompts/List")],
    [VERSION, ("Mcp-Method", "tools/none")],
    [VERSION, ("Mcp-Method", "tools/Call")],
    [VERSION, ("Mcp-Method", "tools/Call"), ("Mcp-Name", "drop")],
    [VERSION, ("Mcp-Method", "pROMPTS/GET")],
    [VERSION, ("Mcp-Method", "GET")],
    [VERSION, ("Mcp-Method", "ping")],
    [],
]


@pytest.mark.parametrize("dialect", ["nginx", "forwarded", "envoy"])
@pytest.mark.parametrize("anew", [False, True])
async def test_everything_that_is_asked_of_a_server_is_answered_alike(tmp_path: Path, dialect: str, anew: bool) -> None:
    reviewed = {"reviewed": {"tools": {"get_x": False}, "digests": {}, "id": "1"}}
    async with Pair(tmp_path, made(tmp_path, resource=TABLES, reviewed=reviewed), anew=anew) as pair:
        for table in (
            ["mcp"] if dialect == "forwarded" else ["mcp", "free", "body" if dialect == "envoy" else "reviewed"]
        ):
            for credential in (None, TOKENS["good"], TOKENS["rich"], TOKENS["bad signature"]):
                for fields in ASKED:
                    await pair.ask([question(dialect, table, credential, "POST", "/mcp", *fields)] * 2)
                for method in ("GET", "DELETE", "PUT", "OPTIONS"):
                    for fields in ([VERSION], [("MCP-Protocol-Version", "2025-06-18")], []):
                        await pair.ask([question(dialect, table, credential, method, "/mcp", *fields)] * 2)
        assert pair.native > 100


@pytest.mark.parametrize("dialect", ["nginx", "forwarded", "envoy"])
async def test_a_plain_call_with_a_known_token_never_comes_to_python(tmp_path: Path, dialect: str) -> None:
    plain = [
        [VERSION, CALL, ("Mcp-Name", "get_x")],
        [VERSION, CALL, ("Mcp-Name", "dig")],
        [VERSION, READ, ("Mcp-Name", "file:///srv/a/b.txt")],
        [VERSION, ("Mcp-Method", "tools/list")],
    ]
    async with Pair(tmp_path, made(tmp_path, resource=TABLES)) as pair:
        for fields in plain:
            await pair.ask(question(dialect, "mcp", TOKENS["rich"], "POST", "/mcp", *fields))
        before = pair.laned.clerk.lane.allowed
        for fields in plain:
            answer = await pair.ask(question(dialect, "mcp", TOKENS["rich"], "POST", "/mcp", *fields))
            assert answer.startswith(b"HTTP/1.1 200")
        assert pair.laned.clerk.lane.allowed == before + len(plain)


async def test_what_was_prepared_for_one_tool_is_given_for_no_other(tmp_path: Path) -> None:
    async with Pair(tmp_path, made(tmp_path, resource=TABLES)) as pair:
        for _ in range(2):
            for name, status in (("dig", b"200"), ("drop", b"403"), ("none", b"403"), ("dig", b"200")):
                fields = [VERSION, CALL, ("Mcp-Name", name)]
                answer = await pair.ask(question("nginx", "mcp", TOKENS["good"], "POST", "/mcp", *fields))
                assert answer.split(b" ", 2)[1] == status
