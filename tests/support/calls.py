"""Questions as Envoy asks them by gRPC, to the face itself or over a connection."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from support.house import API, House, config, token

from bearerd.faces.grpc import authorization
from bearerd.serve.rpc import Rpc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bearerd.config.papers import Papers

RULES = (
    {"path": "/health", "auth": "none"},
    {"methods": ["GET"], "path": "/orders/**", "scopes": ["read"]},
    {"methods": ["POST"], "path": "/orders/**", "scopes": ["admin"]},
)
METHOD = f"/{authorization.SERVICE}/{authorization.METHOD}"
Fields = tuple[tuple[str, str | bytes], ...]


def tables(**resource: Any) -> dict[str, Any]:
    """A configuration's tables: the resource ``api``, which Envoy asks about by gRPC."""
    return {"resource": {"api": {"identifier": API, "gateway": "grpc", "rule": RULES} | resource}}


def bearer(credential: str | None = None) -> tuple[str, str]:
    """The header field."""
    return "authorization", f"Bearer {credential or token()}"


def asked(
    *fields: tuple[str, str | bytes],
    method: str = "GET",
    path: str | bytes = "/orders/1",
    name: str | None = "api",
    raw: bool = True,
) -> Any:
    """A CheckRequest.  ``raw``: with ``encode_raw_headers``; else Envoy joins fields of one name with a comma."""
    made = CheckRequest()
    if name is not None:
        made.attributes.context_extensions["resource"] = name
    http = made.attributes.request.http
    exact = path.encode() if isinstance(path, str) else path
    http.method, http.host, http.path = method, "api.example", exact.decode("ascii", "replace").replace("\ufffd", "!")
    pseudo = ((":method", method), (":path", exact), (":authority", "api.example"), (":scheme", "http"))
    for key, value in (*pseudo, *fields):
        content = value.encode() if isinstance(value, str) else value
        if raw:
            http.header_map.headers.add(key=key, raw_value=content)
        else:
            text = content.decode("ascii", "replace").replace("\ufffd", "!")
            http.headers[key] = f"{http.headers[key]},{text}" if key in http.headers else text
    return made


@dataclass
class Context:
    """As much of grpcio's as the face asks for."""

    left: float | None = None
    who: str = "ipv4:127.0.0.1:4711"

    def peer(self) -> str:
        return self.who

    def time_remaining(self) -> float | None:
        return self.left


class Calls:
    """A house, and the face alone: ``async with Calls(tmp_path) as calls``."""

    def __init__(self, tmp_path: Path, *, fresh: bool = True, **more: Any) -> None:
        self.house = House(config(tmp_path, **(tables() | more)), tmp_path, fresh=fresh)
        self.face = authorization.Authorization(self.house.service)

    async def __aenter__(self) -> Self:
        await self.house.__aenter__()
        return self

    async def __aexit__(self, *gone: object) -> None:
        await self.house.__aexit__(None, None, None)

    async def ask(self, request: Any, context: Context | None = None) -> Any:
        """The CheckResponse; ``request`` may be bytes that are no CheckRequest."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        return CheckResponse.FromString(await self.face.check(data, context or Context()))

    def why(self, response: Any) -> str | None:
        """The code of a refusal, looked up by its request id."""
        found = self.house.service.recorder.ring.find(header(response, "x-auth-request-id"))
        return None if found is None else found["code"]


def header(response: Any, name: str) -> str:
    """A header field of a refusal, or toward the upstream."""
    part = response.denied_response if response.HasField("denied_response") else response.ok_response
    (value,) = [option.header.value for option in part.headers if option.header.key == name]
    return str(value)


class Line(Calls):
    """The same with a server, and a connection to it."""

    channel: grpc.aio.Channel

    def __init__(self, tmp_path: Path, papers: Papers | None = None, **more: Any) -> None:
        super().__init__(tmp_path, **more)
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.held.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.held.getsockname()[1]}"
        self._papers = papers

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.rpc = Rpc(self.house.service, [self.address], self.house.service.current.config.limits.max_connections)
        await self.rpc.take(self._papers)
        opened = asyncio.Event()
        self.rpc.begin(opened.set)
        await opened.wait()
        self.channel = self.connect()
        return self

    async def __aexit__(self, *gone: object) -> None:
        await self.channel.close()
        await self.rpc.leave(1.0)
        self.held.close()
        await super().__aexit__(*gone)

    def connect(self, options: Sequence[tuple[str, Any]] = (), **more: Any) -> grpc.aio.Channel:
        """Another connection."""
        own = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *options]
        if (credentials := more.pop("credentials", None)) is not None:
            return grpc.aio.secure_channel(self.address, credentials, own, **more)
        return grpc.aio.insecure_channel(self.address, own, **more)

    async def call(self, request: Any, channel: grpc.aio.Channel | None = None, **more: Any) -> Any:
        """The CheckResponse; raises grpc.aio.AioRpcError."""
        method = (channel or self.channel).unary_unary(METHOD)
        data = request if isinstance(request, bytes) else request.SerializeToString()
        return CheckResponse.FromString(await method(data, **({"timeout": 30.0} | more)))
