"""The MCP Python SDK's client, and the person in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl
from support.person import sign_in

CALLBACK = "http://127.0.0.1:1/callback"  # nobody listens there: the browser reads what it would be told


@dataclass
class Person:
    """Keeps what the client stores, and goes where it is sent."""

    sent: list[str] = field(default_factory=list)  # the authorization requests
    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    came_back: dict[str, str] = field(default_factory=dict)

    async def go(self, url: str) -> None:
        self.sent.append(url)
        self.came_back = await sign_in(url, CALLBACK)

    async def come_back(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(self.came_back)

    def scopes(self) -> list[str]:
        """What was asked for, each time."""
        return [dict(parse_qsl(urlsplit(url).query))["scope"] for url in self.sent]

    # What the SDK calls its storage.

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    @contextlib.asynccontextmanager
    async def http(self, url: str) -> AsyncIterator[httpx2.AsyncClient]:
        """An HTTP client that signs this person in where the server asks for it."""
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], client_name="a test")
        provider = OAuthClientProvider(url, metadata, self, self.go, self.come_back)
        async with httpx2.AsyncClient(auth=provider, trust_env=False, timeout=20) as http:
            yield http

    @contextlib.asynccontextmanager
    async def connected(self, url: str, **options: str) -> AsyncIterator[Client]:
        """An MCP client of this server."""
        async with self.http(url) as http, Client(streamable_http_client(url, http_client=http), **options) as client:
            yield client

    async def token(self, url: str) -> str:
        """An access token for the server, without a word of MCP."""
        async with self.http(url) as http:
            await http.get(url)
        assert self.tokens is not None
        return self.tokens.access_token
