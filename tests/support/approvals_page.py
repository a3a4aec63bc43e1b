"""The approvals page on a real socket, with a provider to sign in at, and the browser of whoever approves."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from support.approving import Floor
from support.provider import Provider

from bearerd.approvals import page
from bearerd.limits import Limits
from bearerd.refusals import Approval, Refusal
from bearerd.serve.http import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bearerd.store.client import Client


@dataclass
class Desk:
    """The page on a real socket, its provider, and a browser's cookies."""

    floor: Floor
    provider: Provider
    url: str
    browser: aiohttp.ClientSession

    async def pending(self, *more: Any, **changes: Any) -> Approval:
        said = await self.floor.ask(*more, **changes)
        assert isinstance(said, Refusal)
        assert said.approval is not None
        return said.approval

    async def get(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.browser.get(self.url + path, **more) as answer:
            return answer.status, await answer.text()

    async def post(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, str]:
        fields = {"Origin": self.url} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.browser.post(self.url + path, data=form, headers=fields) as answer:
            return answer.status, await answer.text()

    async def form(self, name: str) -> dict[str, str]:
        """The hidden fields of what is shown."""
        status, text = await self.get(f"/a/{name}")
        assert status == 200, text
        return hidden(text)


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of the page's forms."""
    return dict(re.findall(r'name="(csrf|seen)" value="([^"]+)"', text))


@contextlib.asynccontextmanager
async def served(client: Client, issuer: str) -> AsyncIterator[tuple[Floor, str]]:
    """The page on a real socket, for those who sign in at ``issuer``: what stands behind it, and its URL."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as sock:
        sock.setblocking(False)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        floor = Floor(client, {"url": url, "issuer": issuer})
        async with serving(page.app(floor.office, Limits(), b"secret of the test"), [sock], Limits()):
            yield floor, url


@contextlib.asynccontextmanager
async def opened(client: Client) -> AsyncIterator[Desk]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        Provider() as provider,
        served(client, provider.url) as (floor, url),
        aiohttp.ClientSession(cookie_jar=jar) as browser,
    ):
        yield Desk(floor, provider, url, browser)
