"""A service with real tables, one issuer whose keys the test holds, and its public listener on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from aiohttp import web
from support import jose
from support.wire import Reply, Wire

from bearerd._native import clock
from bearerd.config.model import Config
from bearerd.faces.app import public_runner
from bearerd.lane.clerk import Clerk
from bearerd.service import Service

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

ISS = "https://issuer.example"
API = "https://api.example/"
NOWHERE = "redis://127.0.0.1:1"  # nothing listens there
SECRET = "s3cret of the caller"


def key(number: int = 0, kid: str = "k1") -> dict[str, Any]:
    """The issuer's public key."""
    return jose.jwk("P-256", number, kid=kid, alg="ES256", use="sig")


def issuer(**changes: Any) -> dict[str, Any]:
    """An issuer with its keys inline."""
    return {"issuer": ISS, "name": "test", "algorithms": ["ES256"], "jwks": {"keys": [key()]}} | changes


def token(number: int = 0, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A good token for ``API``; ``...`` leaves a claim out."""
    now = int(time.time())
    said = {"iss": ISS, "sub": "alice", "aud": API, "iat": now - 10, "exp": now + 3000, "jti": "t1", "client_id": "app"}
    said |= {"scope": "read write"} | changes
    claims = {name: value for name, value in said.items() if value is not ...}
    return jose.token("ES256", claims, number=number, **({"kid": "k1", "typ": "at+jwt"} | (header or {})))


def config(tmp_path: Path, *, callers: tuple[dict[str, Any], ...] = (), **tables: Any) -> Config:
    """A configuration: one issuer, and the resource ``api`` for every gateway but nginx, unless told otherwise."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    asked = [{"secret_file": secret, "resources": ["api"], "may": ["introspect", "revoke"]} | one for one in callers]
    tree: dict[str, Any] = {
        "server": {"profile": "development"},
        "store": {"url": NOWHERE},
        "issuer": [issuer()],
        "resource": {"api": {"identifier": API, "gateway": ["forwarded", "envoy"]}},
        "caller": asked,
    }
    return Config.model_validate(tree | tables)


class House:
    """``async with House(config, tmp_path) as house``: the view counts as fresh, and nothing else runs beside.

    ``port`` is aiohttp's.  With ``lane`` there is another, ``lane_port``, on which the clerk listens as a worker's does.
    """

    clerk: Clerk

    def __init__(self, made: Config, tmp_path: Path, *, fresh: bool = True, lane: bool = False, **service: Any) -> None:
        self.service = Service(made, data_dir=tmp_path, **service)
        if fresh:
            self.service.view.count(clock.boot())
        self.port = self.lane_port = 0
        self._lane = lane
        self._closing = contextlib.AsyncExitStack()
        self._wire: Wire | None = None

    async def __aenter__(self) -> Self:
        runner = public_runner(self.service, shutdown_timeout=1.0)
        await runner.setup()
        self._closing.push_async_callback(self.service.close)
        self._closing.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self.runner = runner
        if self._lane:
            await self._open_lane()
        return self

    async def _open_lane(self) -> None:
        assert self.runner.server is not None
        self.clerk = Clerk(self.service, self.runner.server)
        self.clerk.start()
        server = await asyncio.get_running_loop().create_server(self.clerk.connection, "127.0.0.1", 0)
        self.lane_port = server.sockets[0].getsockname()[1]

        def shut() -> None:
            server.close()
            for connection in list(self.clerk.lane.connections):
                connection.abort()
            self.clerk.stop()

        self._closing.callback(shut)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._wire is not None:
            await self._wire.close()
        await self._closing.aclose()

    async def wire(self) -> Wire:
        """A new connection."""
        return await Wire.to(self.port)

    async def ask(self, target: str | bytes, *headers: tuple[str, str | bytes], **more: Any) -> Reply:
        """One request on the connection that is kept."""
        if self._wire is None:
            self._wire = await self.wire()
        reply = await self._wire.ask(target, *headers, **more)
        if reply.get("Connection") == "close" or reply.status == 431:
            await self._wire.close()
            self._wire = None
        return reply

    async def auth(
        self,
        token: str | None = None,
        method: str = "GET",
        uri: str = "/",
        *more: tuple[str, str | bytes],
        name: str = "api",
    ) -> Reply:
        """Ask as Traefik, Caddy or HAProxy do."""
        headers = [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri), *more]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        return await self.ask(f"/auth/{name}", *headers)

    async def post(self, target: str, user: str | None = "svc", secret: str = SECRET, **fields: str) -> Reply:
        """Post a form as a caller."""
        if user is not None:
            fields = {"client_id": user, "client_secret": secret} | fields
        body = urlencode(fields).encode()
        return await self.ask(target, ("Content-Type", "application/x-www-form-urlencoded"), method="POST", body=body)

    def why(self, reply: Reply) -> str | None:
        """The code of a refusal, looked up by its request id."""
        found = self.service.recorder.ring.find(reply["X-Auth-Request-Id"])
        return None if found is None else found["code"]
