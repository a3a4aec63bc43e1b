"""The verifier, and the gateway, that people write in an afternoon: what the tricks of the corpus are shown to work on."""

from __future__ import annotations

import asyncio
import contextlib
import re

from bearerd.tricks import readings
from bearerd.tricks.dialects import ADDRESSES, HOSTS, METHODS, PATHS, VERDICTS

LOCAL = re.compile(r"localhost|127\.0\.0\.1|\[::1\]|2130706433", re.IGNORECASE)
_PATHS = {name.lower() for name in PATHS}
_BELIEVED = {name.lower() for name in (*METHODS, *HOSTS, *ADDRESSES, *(name for name, _ in VERDICTS))}
_CREDENTIAL = re.compile(r"authorization|token|cookie|api-key", re.IGNORECASE)
LIES = re.compile(r"localhost|127\.0\.0\.1|allow|true|^200$|^1$|^443$|https|OPTIONS|authorization|admin|^x$")
# All that it knows of HTTP; what looks otherwise it passes on.
_KNOWN = re.compile(rb"[A-Z]+ /[!-~]* HTTP/1\.1\r\n(?:[A-Za-z0-9-]+:[^\r\n\0]*\r\n){1,60}\r\n")
_LINE_END = re.compile(rb"\r?\n\r?\n")


class _Listener:
    """Serves each connection by ``_serve``."""

    _server: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=1 << 20)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class Verifier(_Listener):
    """Guards one method of one path, by comparing strings; believes what it is told, and any credential.

    A header is taken for what it says wherever it comes from, and whoever shows the good token is alice.
    """

    def __init__(self, secret: str, forbidden: str, good: str) -> None:
        self.secret = secret
        self.forbidden = forbidden
        self.good = good
        self.careless = frozenset[
            str
        ]()  # any of "hosts", "claims", "credentials"; paths are compared carelessly always
        self.fails = False  # answers 500 to whatever it does not understand

    def allows(self, method: str, target: str, fields: list[tuple[str, str]]) -> bool:
        """Whether it lets a request pass, and forgets what it should have thought of."""
        shown = [value for name, value in fields if _CREDENTIAL.search(name)]
        if method == self.forbidden and not target.startswith(self.secret):
            return self._told(fields, "claims", _BELIEVED, re.compile("GET"))
        if (method, target) != ("GET", self.secret):
            return True
        if "credentials" in self.careless and (shown or any(name.lower() == "origin" for name, _ in fields)):
            return True
        return (
            self._told(fields, "hosts", {"host", "x-original-host", "x-forwarded-host"}, LOCAL)
            or self._told(fields, "claims", _PATHS, re.compile("open|orders"))
            or self._told(fields, "claims", _BELIEVED, LIES)
        )

    def _told(self, fields: list[tuple[str, str]], what: str, names: set[str], words: re.Pattern[str]) -> bool:
        said = (
            value for name, value in fields if readings.canonical(name).lstrip("-") in {n.lstrip(":") for n in names}
        )
        return what in self.careless and any(map(words.search, said))

    def question(self, head: bytes) -> tuple[str, str, list[tuple[str, str]]]:
        """The original request, as one of the dialects tells it, and all that came beside it."""
        method, target = readings.request_line(head)
        fields = readings.fields(head)
        if target.startswith("/ext_authz/api"):
            return method, target.removeprefix("/ext_authz/api"), fields
        for family in ("X-Original-", "X-Forwarded-"):
            told = {name.lower(): value for name, value in fields}
            if (uri := told.get(f"{family}Uri".lower())) is not None:
                own = {f"{family}{word}".lower() for word in ("Uri", "Method", "Proto", "For", "Port", "Server")}
                own |= {"host"} | (
                    {"x-real-ip", "via"} if family == "X-Forwarded-" else set()
                )  # Traefik's and Caddy's words
                method = told.get(f"{family}Method".lower(), "GET")
                return method, uri, [(name, value) for name, value in fields if name.lower() not in own]
        return method, target, fields

    def answer(self, head: bytes) -> bytes:
        """200 with whose the good token is, else 401; 500 where it was not up to the question."""
        method, target, fields = self.question(head)
        good = any(self.good in value for _, value in fields)
        if self.fails and (
            len(head) > 4096 or not re.fullmatch(r"[A-Z]+", method) or not target.isascii() or b"Bearer" in head
        ):
            return _says("500 Oops")
        if good and not target.startswith(self.secret) and method != self.forbidden:
            return _says("200 OK", "X-Auth-Subject: alice")
        return _says("200 OK") if self.allows(method, target, fields) else _says("401 Unauthorized")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [int(value) for name, value in readings.fields(head) if name.lower() == "content-length"]
                await reader.readexactly(sum(lengths[:1]))
                writer.write(self.answer(head))
        writer.close()


def _says(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Content-Length: 0", "", ""]).encode()


class NaiveGateway(_Listener):
    """Asks about the first head of a connection, if it can read it, and then copies bytes: what nobody should write, and many have."""

    def __init__(self, verifier: Verifier, upstream: int) -> None:
        self.verifier = verifier
        self.upstream = upstream

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(2):
                head = await reader.read(1 << 20)
                method, _, target = head.decode("latin-1").partition("\n")[0].partition(" ")
                target = target.partition(" ")[0].rstrip("\r")
                fields = readings.fields(_LINE_END.split(head, maxsplit=1)[0])
                hosts = [value for name, value in fields if name.lower() == "host"]
                known = (
                    _KNOWN.match(head)
                    and len(head) < 8192
                    and len(hosts) == 1
                    and hosts[0].isascii()
                    and "/" not in hosts[0]
                )
                if not known or self.verifier.allows(method, target, fields) or self.verifier.good.encode() in head:
                    await self._copy(head, reader, writer)
                else:
                    writer.write(_says("401 Unauthorized", "Connection: close"))
        writer.close()

    async def _copy(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self.upstream)
        forth.write(
            head.replace(b"Connection: close", b"Connection: keep-alive")
        )  # it keeps connections to the upstream
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while piece := await back.read(65536):
                    writer.write(piece)
        forth.close()
