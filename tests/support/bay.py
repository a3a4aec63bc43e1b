"""A lane with its tables and a desk that the test writes: nothing of ``src``, so that it runs under the sanitizers, too."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from support.line import Line

from bearerd._native.anchor import Anchor
from bearerd._native.connection import Connection
from bearerd._native.counters import COUNTER, HISTOGRAM, Page, read
from bearerd._native.generations import Generations
from bearerd._native.lane import Lane
from bearerd._native.refused import RefusedTokens
from bearerd._native.revocations import Revocations
from bearerd._native.ring import Burst, Ring
from bearerd._native.route import NO_ID, Route, Routes
from bearerd._native.rules import Rules
from bearerd._native.tokens import TokenCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd._native.question import Question

FOREVER = 1e18
OK = b"HTTP/1.1 200 OK\r\nServer: bay\r\n"
NO = b"HTTP/1.1 401 Unauthorized\r\nX-Id: %s\r\nContent-Length: 0\r\n" % NO_ID.encode()
FULL = b"HTTP/1.1 503 Service Unavailable\r\nX-Id: %s\r\nRetry-After: 1\r\nContent-Length: 32\r\n" % NO_ID.encode()


class Behind(asyncio.Protocol):
    """What stands behind the door: it takes what it is given."""

    def __init__(self) -> None:
        self.got = b""
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""


class Bay:
    """``rules``: (methods, path, preflight) each.  Whom ``trust`` holds may speak as a gateway."""

    def __init__(
        self,
        *rules: tuple[Any, Any, bool],
        dialect: Any = "nginx",
        entries: int = 1000,
        size: int = 1 << 20,
        notes: int = 64,
        lines: float = 1e9,
        resources: Sequence[str] = ("api",),
        **route: Any,
    ) -> None:
        self.cache, self.refused = TokenCache(entries, size), RefusedTokens(64)
        self.revocations, self.generations, self.anchor = Revocations(1000), Generations(), Anchor()
        self.buffer = bytearray(1 << 16)
        self.page = Page(self.buffer)
        self.allowed, self.denied = self.page.series(b"allowed", COUNTER), self.page.series(b"denied", COUNTER)
        self.suppressed = self.page.series(b"suppressed", COUNTER)
        self.duration = self.page.series(b"duration", HISTOGRAM, (1.0,))
        self.lane = Lane(
            cache=self.cache,
            refused=self.refused,
            revocations=self.revocations,
            generations=self.generations,
            anchor=self.anchor,
            page=self.page,
            burst=Burst(lines),
            ring=Ring(notes),
            suppressed=self.suppressed,
            max_token_bytes=1024,
            max_header_bytes=4096,
            max_head_bytes=8192,
            max_headers=50,
        )
        self.trusted = True
        self.uri = b"/b"  # that some rule matches
        self.asked: list[Question] = []  # what was to be decided at once
        self.waiting: list[Connection] = []
        self.queued: list[Connection] = []
        self.back: list[Connection] = []
        self.away: list[Connection] = []
        self.watched = 0  # times that another turn of the loop was to be told of
        self.turns = True  # each read has one of its own
        self.seconds = 0.0  # that a decision takes
        self.left: list[Connection] = []
        self.behind: list[Behind] = []
        self.renewed = self.told = 0
        self.now: tuple[bytes, bytes] | Exception | None = (OK, b"now")  # what is decided at once
        self._rules, self._dialect, self._route, self._names = rules, dialect, route, resources
        self.renew()

    # ---- the desk

    def welcome(self, transport: asyncio.Transport) -> tuple[str, bool]:
        return str(transport.get_extra_info("peername")[0]), self.trusted

    def renew(self) -> None:
        self.renewed += 1
        settings: dict[str, Any] = {
            "plain": True,
            "enforced": True,
            "constrained": any(methods or path for methods, path, _ in self._rules),
            "has_paths": any(path for _, path, _ in self._rules),
            "identity": (b"x-tier",),
            "allowed": self.allowed,
            "duration": self.duration,
        }
        opened, matcher = bytes(len(self._rules)), Rules(list(self._rules))
        self.routes = [
            Route(index, name, self._dialect, matcher, opened, **(settings | self._route))
            for index, name in enumerate(self._names)
        ]
        for route in self.routes:
            no, full = (NO, b"", self.denied), (FULL, NO_ID.encode(), self.denied)
            route.refuse_with([no, no, no, full])  # remembered, too large, missing, too many
        self.route = self.routes[0]
        self.lane.routes = Routes(self.generations.config, self.routes)

    def decide(self, connection: Connection, question: Question) -> tuple[bytes, bytes] | None:
        self.asked.append(question)
        time.sleep(self.seconds)
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def wait(self, connection: Connection) -> None:
        connection.waiter = self
        self.waiting.append(connection)

    def watch(self) -> None:
        self.watched += 1
        if self.turns:
            self.lane.turned()

    def later(self, connection: Connection) -> None:
        self.queued.append(connection)

    def stand_back(self, connection: Connection, away: bool) -> None:
        (self.away if away else self.back).append(connection)

    def gone(self, connection: Connection) -> None:
        self.left.append(connection)

    def noted(self) -> None:
        self.told += 1

    def serve(self) -> None:
        """Whatever was left over is answered."""
        while queue := self.queued or self.back or self.away:
            queue.pop(0).more()

    def handler(self) -> Any:
        self.behind.append(Behind())
        return self.behind[-1]

    # ---- the test's

    def open(self, peer: str = "127.0.0.1") -> Line:
        """A new connection."""
        return Line(Connection(self.lane, self), peer)

    def counts(self) -> tuple[float, float, float]:
        """Allows, refusals, and how many took a time."""
        found = {key: values for key, _, _, values in read(self.buffer)}
        return found[b"allowed"][0], found[b"denied"][0], sum(found[b"duration"][:-1])

    def know(self, token: bytes, record: bytes = b"record", **more: Any) -> None:
        """Keep a token as verified."""
        entry: dict[str, Any] = {
            "issuer": 0,
            "key_generation": self.generations.key_set(0),
            "config_generation": self.generations.config,
            "issued_at": 0,
            "until_wall": FOREVER,
            "until_boot": FOREVER,
            "probes": b"",
        }
        self.cache.put(token, record, **(entry | more))

    def prepare(
        self,
        token: bytes,
        *,
        rule: int = -1,
        head: bytes = OK,
        until: tuple[float, float] = (FOREVER, FOREVER),
        at: int = 0,
    ) -> None:
        """Let the lane answer for this token under this rule, as the clerk does: right after it was asked about.

        ``at``: the number of the resource.
        """
        line, name = self.open(), self._names[at].encode()
        line.feed(ask(token, method=b"POST" if self._rules else b"GET", uri=self.uri, name=name))
        connection = line.get_protocol()
        assert isinstance(connection, Connection)
        connection.prepare(self.routes[at], rule, *until, head)
        line.hang_up()
        self.asked.clear()
        self.waiting.clear()
        self.left.clear()

    def refuse(self, token: bytes, value: int = 0, until: float = FOREVER) -> bytes:
        """Remember a token as bad; returns its name."""
        name = os.urandom(32)
        self.refused.put(token, value, until, self.generations.total, name)
        return name


def ask(
    token: bytes | None = b"good", *lines: bytes, method: bytes = b"GET", uri: bytes = b"/a", name: bytes = b"api"
) -> bytes:
    """A request in nginx's words."""
    head = [b"GET /auth/" + name + b" HTTP/1.1", b"Host: a", b"X-Original-Method: " + method, b"X-Original-URI: " + uri]
    if token is not None:
        head.append(b"Authorization: Bearer " + token)
    return b"\r\n".join([*head, *lines, b"", b""])
