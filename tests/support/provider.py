"""A scripted OpenID provider: it signs in whoever the test says at once, checks what a provider must, and lies where told to."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import web
from support import jose

CLIENT = "bearerd"
SECRET = "the client's own secret"


@dataclass
class Provider:
    """``async with Provider() as provider``; on loopback, over http."""

    claims: dict[str, Any] = field(
        default_factory=lambda: {"sub": "bob", "email": "bob@example.com", "roles": ["approver"]}
    )
    lies: dict[str, Any] = field(default_factory=dict)  # claims that are not what they must be; None leaves one out
    metadata: dict[str, Any] = field(default_factory=dict)
    alg: str = "ES256"
    number: int = 0  # of the key that signs
    published: int = 0  # of the key that is published
    answer: dict[str, str] | None = None  # what the browser is sent back with, instead of a code
    extra: dict[str, str] = field(default_factory=dict)  # beside the code
    away: bool = False  # it answers 500 to whoever asks what it is
    looked_up: int = 0  # how often that was asked
    unauthorized: bool = False  # it does not know the client
    asked: list[dict[str, str]] = field(default_factory=list)  # queries of /authorize
    posted: list[dict[str, str]] = field(default_factory=list)  # forms of /token
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/jwks", self._jwks)
        self._codes: dict[str, dict[str, str]] = {}
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _metadata(self, _: web.Request) -> web.Response:
        self.looked_up += 1
        if self.away:
            return web.json_response({}, status=500)
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "subject_types_supported": ["public"],
        }
        return web.json_response(told | self.metadata)

    async def _jwks(self, _: web.Request) -> web.Response:
        key = jose.jwk(jose.KIND["ES256"], self.published, kid=f"k{self.published}", use="sig")
        return web.json_response({"keys": [key]})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        code = secrets.token_hex(8)
        self._codes[code] = asked
        answer = ({"code": code} | self.extra) if self.answer is None else self.answer
        query = urlencode({"state": asked["state"]} | answer)
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{query}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        basic = request.headers.get("Authorization", "")
        self.posted.append(form | ({"basic": basic} if basic else {}))
        if self.unauthorized:
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or asked["code_challenge"] != challenge.decode().rstrip("=")
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        said = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60, "auth_time": now, "nonce": asked["nonce"]}
        said |= self.claims | self.lies
        claims = {name: value for name, value in said.items() if value is not None}
        token = jose.token(self.alg, claims, number=self.number, kid=f"k{self.number}")
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": token})
