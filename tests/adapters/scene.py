"""A verifier on a configuration of its own, with keys that the test holds and an embedded store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from support.house import API, ISS, key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Message = dict[str, Any]


def file(folder: Path, more: str = "") -> Path:
    """A configuration with the resource ``api``: ``GET /orders/**`` by the scope "read", the rest by nobody."""
    (folder / "keys.json").write_bytes(orjson.dumps({"keys": [key()]}))
    path = folder / "bearerd.toml"
    path.write_text(f"""
[server]
profile = "development"
data_dir = "data"
[[issuer]]
issuer = "{ISS}"
jwks_file = "keys.json"
algorithms = ["ES256"]
[resource.api]
identifier = "{API}"
[[resource.api.rule]]
methods = ["GET", "POST"]
path = "/orders/**"
scopes = ["read"]
[resource.notes]
kind = "mcp"
identifier = "https://notes.example/mcp"
audience = ["{API}"]
scopes = ["read"]
[[resource.notes.rule]]
tool = "read_*"
[[resource.notes.rule]]
tool = "delete_*"
scopes = ["admin"]
[resource.plain]
identifier = "https://plain.example/mcp"
audience = ["{API}"]
scopes = ["read"]
{more}
""")
    return path


class Seen:
    """An ASGI application that notes what reaches it, and answers 200.  ``reads``: the body, too."""

    def __init__(self, *, reads: bool = False) -> None:
        self.scopes: list[Message] = []
        self.bodies: list[Message] = []
        self._reads = reads

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        self.scopes.append(scope)
        if self._reads:
            self.bodies.append(await receive())
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"app"})


async def asked(
    app: Any, target: bytes, *headers: tuple[bytes, bytes], body: tuple[bytes, ...] = (), **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request to an ASGI application, its body in pieces; (status, headers, body)."""
    raw, _, query = target.partition(b"?")
    told = {"type": "http", "method": "GET", "raw_path": raw, "path": raw.decode(), "query_string": query}
    sent: list[Message] = []

    pieces = list(body)

    async def receive() -> Message:
        assert pieces, "nobody reads a body here"
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(
        {**told, "headers": [(b"host", b"api.example"), *headers], "client": ("127.0.0.1", 1), **scope}, receive, send
    )
    start, *rest = sent
    fields = {name.decode(): value.decode() for name, value in start.get("headers", ())}
    return start.get("status", 0), fields, b"".join(message["body"] for message in rest)
