"""An MCP server that writes down what reaches it and answers what it was told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

import orjson
from aiohttp import web

Seen = tuple[str, dict[str, str], bytes]  # method, fields, body

ADD = {"name": "add", "description": "Adds.", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
DROP = {"name": "drop", "description": "Drops.", "inputSchema": {"type": "object"}}


class McpServer:
    """On a free port of loopback; ``async with``."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.tools: list[dict[str, Any]] = [ADD, DROP]
        self.answer: web.Response | None = None  # instead of the usual ones
        self.streams = False  # whether lists come as events
        self.silent = False  # whether a stream to listen to has nothing to say
        self.sessions = False  # whether it knows only clients that have begun one
        self.pages = False  # whether each tool has a page of its own
        self.held = asyncio.Event()  # set: a call to "slow" ends
        self.left = asyncio.Event()  # a client left while it was under way
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle, handler_cancellation=True))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *gone: object) -> None:
        self.held.set()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, dict(request.headers), body))
        if self.answer is not None:
            return _again(self.answer)
        if request.method == "GET" and self.silent:
            await self._wait()
        if request.method == "GET":
            return await self._stream(request, [self._list(7)])
        message = json.loads(body or b"{}")
        if self.sessions and (begun := self._begun(request, message)) is not None:
            return begun
        if message.get("method") == "tools/list":
            listed = self._list(message["id"], message.get("params", {}).get("cursor", ""))
            return await self._stream(request, [listed]) if self.streams else _json(listed)
        if message.get("params", {}).get("name") == "slow":
            await self._wait()
        return _json({"jsonrpc": "2.0", "id": message.get("id"), "result": {"content": []}})

    async def _wait(self) -> None:
        try:
            await self.held.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise

    def _begun(self, request: web.BaseRequest, message: dict[str, Any]) -> web.Response | None:
        """What a server of 2025 says before and at the beginning of a session."""
        if message.get("method") == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "t", "version": "1"}}
            return _json({"jsonrpc": "2.0", "id": message["id"], "result": result})
        if request.headers.get("Mcp-Session-Id") != "s1":
            return web.Response(status=400)
        return web.Response(status=202) if "id" not in message else None

    def _list(self, number: Any, cursor: str = "") -> dict[str, Any]:
        place = int(cursor or 0)
        tools = self.tools[place : place + 1] if self.pages else self.tools
        more = {"nextCursor": str(place + 1)} if self.pages and place + 1 < len(self.tools) else {}
        return {"jsonrpc": "2.0", "id": number, "result": {"tools": tools, **more}}

    async def _stream(self, request: web.BaseRequest, messages: list[Any]) -> web.StreamResponse:
        made = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await made.prepare(request)
        for number, message in enumerate(messages):
            await made.write(b": beat\n\nid: %d\ndata: %s\n\n" % (number, orjson.dumps(message)))
        await made.write_eof()
        return made


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json", headers={"Mcp-Session-Id": "s1"})


def _again(given: web.Response) -> web.Response:
    """The same answer: aiohttp sends none twice."""
    kept = {name: value for name, value in given.headers.items() if name not in ("Content-Length", "Date", "Server")}
    return web.Response(status=given.status, body=given.body, headers=kept)
