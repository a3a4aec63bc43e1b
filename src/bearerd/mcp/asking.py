"""Asking an MCP server what tools it has, all of them: as of 2026-07-28, and where it does not know that, in a session.

For whoever reviews them.  What comes back was written by the server, and is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson

from bearerd import __version__
from bearerd.errors import BearerdError
from bearerd.mcp import events, listing, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE: Final = 30.0  # seconds for one answer
MOST_BYTES: Final = 4 * 1024 * 1024  # of one answer
MOST_PAGES: Final = 100

_CLIENT: Final = {"name": "bearerd", "version": __version__}
_OLD: Final = versions.SESSIONS[-1]
_NEW: Final = versions.CHECKED[-1]
_META: Final = "io.modelcontextprotocol/"


class NoList(BearerdError):
    """The server gave no list of tools that can be read."""


async def tools(url: str, token: str | None = None) -> list[dict[str, Any]]:
    """Every tool, page by page.  Raises NoList."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            server = _Server(session, url)
            first = await server.ask(listing.METHOD, {})
            if first is None:
                await server.begin()
                first = await server.ask(listing.METHOD, {})
            return await _pages(server, first)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NoList(f"{url}: {type(error).__name__}") from None


async def _pages(server: _Server, page: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(MOST_PAGES):
        read = listing.tools_of(page)
        if page is None or read is None:
            raise NoList("the server's answer is no list of tools")
        found += [dict(tool.definition) for tool in read]
        if (cursor := page.get("nextCursor")) is None:
            return found
        page = await server.ask(listing.METHOD, {"cursor": cursor})
    raise NoList(f"the server's list has more than {MOST_PAGES} pages")


class _Server:
    """One server, and the session with it where there is one."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._kept: dict[str, str] | None = None  # of a session: its header fields
        self._number = 0

    async def begin(self) -> None:
        """Open a session, as before 2026-07-28.  Raises NoList."""
        params = {"protocolVersion": _OLD, "capabilities": {}, "clientInfo": _CLIENT}
        self._kept = {}
        answer, fields = await self._post({"method": "initialize", "params": params}, {}, number=self._next())
        spoken = answer.get("protocolVersion") if isinstance(answer, dict) else None
        if spoken not in versions.SESSIONS:
            raise NoList("the server speaks no version of the protocol that is known here")
        self._kept = {"MCP-Protocol-Version": spoken}
        if (name := fields.get("Mcp-Session-Id")) is not None:
            self._kept["Mcp-Session-Id"] = name
        await self._post({"method": "notifications/initialized"}, self._kept)

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """A request's result; None for an error, or whatever else it is."""
        headers = self._kept
        if headers is None:
            headers = {"MCP-Protocol-Version": _NEW, "Mcp-Method": method}
            meta = {"protocolVersion": _NEW, "clientInfo": _CLIENT, "clientCapabilities": {}}
            params = params | {"_meta": {_META + name: value for name, value in meta.items()}}
        return (await self._post({"method": method, "params": params}, headers, number=self._next()))[0]

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _post(
        self, message: dict[str, Any], headers: Mapping[str, str], number: int | None = None
    ) -> tuple[dict[str, Any] | None, Mapping[str, str]]:
        body = orjson.dumps({"jsonrpc": "2.0", **({} if number is None else {"id": number}), **message})
        sent = {"Content-Type": "application/json", "Accept": f"application/json, {events.MEDIA_TYPE}", **headers}
        async with self._session.post(self._url, data=body, headers=sent, allow_redirects=False) as answer:
            if answer.status in (401, 403):
                raise NoList(f"the server answers {answer.status}: give it a token (--token-file)")
            if number is None or answer.status != 200:
                return None, answer.headers
            found = await _answer(answer, number)
            result = found.get("result") if isinstance(found, dict) else None
            return result if isinstance(result, dict) else None, answer.headers


async def _answer(answer: aiohttp.ClientResponse, number: int) -> Any:
    """The message that answers ours, from one body or from a stream."""
    cut, read = events.Events(MOST_BYTES), bytearray()
    async for piece in answer.content.iter_any():
        if answer.content_type != events.MEDIA_TYPE:
            read += piece
            if len(read) > MOST_BYTES:
                raise NoList("the server's answer is too long")
            continue
        for event in cut.feed(piece):
            data = events.message_of(event)
            message = orjson.loads(data) if data else None
            if isinstance(message, dict) and message.get("id") == number:
                return message
    return orjson.loads(bytes(read))
