"""A scripted gateway: one function says what is answered to which request, and what came is kept.

async with Gate(lambda seen: Reply(401, {"WWW-Authenticate": "Bearer"})) as gate:
    way = gate.way("/orders/7")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bearerd.doctor.finding import Finding, Notebook
from bearerd.doctor.talk import Gateway, Way


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]

    @property
    def token(self) -> str | None:
        """What was shown as a bearer token."""
        shown = [value.removeprefix("Bearer").strip() for name, value in self.fields if name.lower() == "authorization"]
        return shown[0] if shown else None


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] = field(default_factory=dict)
    body: Any = b""


CHALLENGE = {
    "WWW-Authenticate": 'Bearer resource_metadata="http://gate/.well-known/oauth-protected-resource"',
    "X-Auth-Request-Id": "0" * 32,
}
METADATA = Reply(200, body={"resource": "http://gate/"})


def echoed(seen: Seen, **more: str) -> Reply:
    """The request as the examples' upstream shows it, with identity headers of the gateway's."""
    mine = [[name.replace("_", "-"), value] for name, value in more.items()]
    return Reply(200, body={"method": seen.method, "target": seen.target, "headers": [*map(list, seen.fields), *mine]})


def guarded(
    good: str, served: Callable[[Seen], Reply] = lambda _: Reply(200, body=b"secret")
) -> Callable[[Seen], Reply]:
    """A gateway as it should be: the good token gets ``served``, everybody else bearerd's 401."""

    def answer(seen: Seen) -> Reply:
        if seen.target.startswith("/.well-known/oauth-protected-resource"):
            return METADATA
        if seen.target == "/health":
            return Reply(200, body=b"fine")
        return served(seen) if seen.token == good else Reply(401, CHALLENGE)

    return answer


class Gate:
    """Listens on loopback and is called ``gate``."""

    def __init__(self, answer: Callable[[Seen], Reply | None]) -> None:
        self.answer = answer
        self.seen: list[Seen] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def gateway(self, path: str = "/orders/7") -> Gateway:
        return Gateway("127.0.0.1", self.port, False, "gate", path)

    def way(self, path: str = "/orders/7") -> Way:
        return Way(self.gateway(path), per_second=1000.0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            method, target = first.split(" ")[:2]
            fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
            self.seen.append(Seen(method, target, fields))
            reply = self.answer(self.seen[-1])
            if reply is not None:
                writer.write(_written(reply, method))
                await writer.drain()
        writer.close()


def _written(reply: Reply, method: str) -> bytes:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    fields = reply.headers.items() if isinstance(reply.headers, Mapping) else reply.headers
    lines = [
        f"HTTP/1.1 {reply.status} Scripted",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else body)


def told(notes: Notebook | list[Finding], check: str) -> list[str]:
    """The severities of a check's findings, in order."""
    findings = notes.findings if isinstance(notes, Notebook) else notes
    return [one.severity.value for one in findings if one.check == check]


def remedies(notes: Notebook | list[Finding], check: str) -> str:
    """What a check proposes, in one text."""
    findings = notes.findings if isinstance(notes, Notebook) else notes
    return " ".join(one.remedy for one in findings if one.check == check)
