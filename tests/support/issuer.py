"""A scripted issuer on loopback: metadata, key set and tokens, and every way of answering badly.

    async with ScriptedIssuer() as issuer:
        issuer.on("/jwks", Hang())                  # the next request; then as usual
        issuer.always("/jwks", Answer(status=500))  # until issuer.usually("/jwks")
        token = issuer.token(aud="https://api.example.com")

It speaks HTTP/1.1 by hand, one request a connection, so that an answer can be anything down to its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from aiohttp.abc import AbstractResolver, ResolveResult
from support import jose

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
JWKS = "/jwks"


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]  # names in lower case


class Behaviour(Protocol):
    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


@dataclass
class Answer:
    """A response.  ``body``: bytes as they are, anything else as JSON; ``length`` lies about how long it is."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    content_type: str | None = "application/json"

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        lines = [
            f"HTTP/1.1 {self.status} Scripted",
            f"Content-Length: {len(body) if self.length is None else self.length}",
        ]
        lines += [f"Content-Type: {self.content_type}"] if self.content_type else []
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()


def redirect(location: str | None, status: int = 302) -> Answer:
    """A redirect; None: without saying whither."""
    return Answer(status=status, headers={} if location is None else {"Location": location})


@dataclass
class Raw:
    """Bytes, whatever they are."""

    octets: bytes

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.octets)
        await writer.drain()


class Hang:
    """No answer, ever."""

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()


class Drip:
    """An endless body, a little at a time."""

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)


class Flood:
    """An endless body, as fast as it is taken."""

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()


@dataclass
class Gate:
    """Waits for ``open`` and then answers as another would; ``entered`` is set when a request has come."""

    then: Behaviour
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.entered.set()
        await self.open.wait()
        await self.then(request, reader, writer)


class Tunnel:
    """What a proxy does with CONNECT: whatever the target, the tunnel leads to one port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __call__(self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            inner_writer.close()


class ScriptedIssuer:
    """``keys`` are published; tokens are signed by the first.  Each is (kid, alg, number): ``jose.private(kind, number)``."""

    def __init__(self, *, tls: Any = None, identifier: str | None = None, host: str = "127.0.0.1") -> None:
        self.keys: list[tuple[str, str, int]] = [("first", "ES256", 0)]
        self.seen: list[Seen] = []
        self.etag: str | None = None
        self.jwks_headers: dict[str, str] = {}
        self.identifier = identifier
        self._tls = tls
        self._host = host
        self._once: dict[str, deque[Behaviour]] = defaultdict(deque)
        self._always: dict[str, Behaviour] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def issuer(self) -> str:
        """Its ``iss``."""
        return self.identifier or self.url

    def count(self, path: str = JWKS) -> int:
        """How many requests for a path have come."""
        return sum(seen.target == path for seen in self.seen)

    def on(self, path: str, *behaviours: Behaviour) -> None:
        """How the next requests for a path are answered, one each."""
        self._once[path] += behaviours

    def always(self, path: str, behaviour: Behaviour) -> None:
        """How requests for a path are answered from now on."""
        self._always[path] = behaviour

    def usually(self, path: str) -> None:
        """Answer a path properly again."""
        self._always.pop(path, None)
        self._once.pop(path, None)

    def metadata(self) -> dict[str, Any]:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer.removesuffix('/')}{JWKS}"}

    def jwks(self) -> dict[str, Any]:
        return {"keys": [jose.jwk(jose.KIND[alg], number, kid=kid, alg=alg) for kid, alg, number in self.keys]}

    def rotate(self, kid: str, *, overlap: bool = True) -> None:
        """A new signing key; the old ones stay with ``overlap``."""
        number = max((number for _, _, number in self.keys), default=0) + 1
        self.keys = [(kid, "ES256", number), *(self.keys if overlap else ())]

    def token(self, *, lifetime: int = 300, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token signed by the first key."""
        kid, alg, number = self.keys[0]
        now = int(time.time())
        payload = {
            "iss": self.issuer,
            "sub": "alice",
            "iat": now,
            "exp": now + lifetime,
            "jti": f"{time.time_ns()}",
        } | claims
        return jose.token(alg, payload, number=number, **({"kid": kid, "typ": "at+jwt"} | dict(header or {})))

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, self._host, 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                request = await _request(reader)
                self.seen.append(request)
                await self._behaviour(request)(request, reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    def _behaviour(self, request: Seen) -> Behaviour:
        path = request.target
        if self._once[path]:
            return self._once[path].popleft()
        return self._always.get(path) or self._properly(request)

    def _properly(self, request: Seen) -> Behaviour:
        if request.target in (OPENID, OAUTH):
            return Answer(self.metadata())
        if request.target != JWKS:
            return Answer(status=404)
        if self.etag is not None and request.headers.get("if-none-match") == self.etag:
            return Answer(status=304, headers={"ETag": self.etag} | self.jwks_headers)
        return Answer(self.jwks(), headers=({"ETag": self.etag} if self.etag else {}) | self.jwks_headers)


class Names(AbstractResolver):
    """The DNS of a test: what a name resolves to now."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = {name.replace("_", "."): address for name, address in addresses.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.addresses:
            raise OSError(None, "no such name")
        kind = socket.AF_INET6 if ":" in self.addresses[host] else socket.AF_INET
        result: ResolveResult = {
            "hostname": host, "host": self.addresses[host], "port": port, "family": kind, "proto": 0, "flags": 0,
        }  # fmt: skip
        return [result]

    async def close(self) -> None: ...


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    fields = (line.partition(":") for line in lines)
    return Seen(method, target, {name.lower(): value.strip() for name, _, value in fields})


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@contextlib.asynccontextmanager
async def serving(*issuers: ScriptedIssuer) -> AsyncIterator[None]:
    """Several at once."""
    async with contextlib.AsyncExitStack() as stack:
        for issuer in issuers:
            await stack.enter_async_context(issuer)
        yield


async def until(true: Callable[[], object]) -> None:
    """Wait until something has become true; the test's own time-out is the only clock."""
    while not true():
        await asyncio.sleep(0.01)
