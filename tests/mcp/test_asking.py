"""Asking a server for all its tools: in the newest way, else in a session; and nothing that it says is without bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support.mcp_server import ADD, DROP, McpServer

from bearerd.mcp import asking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with McpServer() as running:
        yield running


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("pages", [False, True])
@pytest.mark.parametrize("sessions", [False, True])
async def test_all_of_them_come_however_the_server_tells_them(
    server: McpServer, *, sessions: bool, pages: bool, streams: bool
) -> None:
    server.sessions, server.pages, server.streams = sessions, pages, streams
    assert await asking.tools(server.url, "t0ken") == [ADD, DROP]
    assert all(fields["Authorization"] == "Bearer t0ken" for _, fields, _ in server.seen)
    last = server.seen[-1][1]
    assert last["MCP-Protocol-Version"] == ("2025-11-25" if sessions else "2026-07-28")
    assert last.get("Mcp-Method") == (None if sessions else "tools/list")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_server_that_wants_a_token_says_so(server: McpServer, status: int) -> None:
    server.answer = web.Response(status=status)
    with pytest.raises(asking.NoList, match="token-file"):
        await asking.tools(server.url)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"id":1,"result":{"tools":[1]}}', b'{"id":1,"error":{}}', b"x" * 5_000_000]
)
async def test_what_is_no_list_is_none(server: McpServer, body: bytes) -> None:
    server.answer = web.Response(body=body, content_type="application/json")
    with pytest.raises(asking.NoList):
        await asking.tools(server.url)


async def test_nor_is_one_without_end(server: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_PAGES", 1)
    server.pages = True
    with pytest.raises(asking.NoList, match="pages"):
        await asking.tools(server.url)


async def test_nobody_there_is_told(server: McpServer) -> None:
    await server.__aexit__()
    with pytest.raises(asking.NoList, match="ClientConnectorError"):
        await asking.tools(server.url)
