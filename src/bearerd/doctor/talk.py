"""The way to a live gateway: one request after the other, at a bounded pace, over a connection each, in the bytes that are meant."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bearerd.tricks import wire

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.tricks import Answer

_PATH: Final = re.compile(r"/[!-~]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")


PATIENCE: Final = 35.0
"""Seconds for an answer: Traefik waits thirty for a bearerd that is silent, and says so only then."""


class NoAnswer(Exception):
    """The gateway could not be reached, or does not answer HTTP."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where it is, and what it is called."""

    address: str
    port: int
    tls: bool
    host: str  # as in Host, with a port where it is not the usual one
    path: str  # of the protected resource, with its query

    @property
    def origin(self) -> str:
        """Scheme and host, as clients write them."""
        return f"http{'s' if self.tls else ''}://{self.host}"

    @property
    def name(self) -> str:
        """The host without a port: what is asked for in TLS."""
        return self.host.rpartition("]")[0].lstrip("[") if self.host.startswith("[") else self.host.partition(":")[0]


def parse(url: str, host: str | None = None) -> Gateway:
    """Read a URL; ``host`` stands in Host and in TLS instead of its own.  Raises ValueError, in words for people."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise ValueError("is no URL: write http:// or https://, a host and a path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("has a user's name or a fragment: leave it out")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PATH.fullmatch(path):
        raise ValueError("has a path with blanks or other than ASCII: percent-encode it")
    named = host if host is not None else parts.netloc
    if not _HOST.fullmatch(named):
        raise ValueError("has a host that is none")
    return Gateway(parts.hostname, port, parts.scheme == "https", named, path)


def is_path(text: str) -> bool:
    """Whether it can stand in a request line."""
    return _PATH.fullmatch(text) is not None


class Way:
    """Sends to one gateway.  What is counted here is what the report says was sent.  Raises NoAnswer where TLS is not to be had."""

    def __init__(self, gateway: Gateway, *, per_second: float, ca_file: Path | None = None) -> None:
        self.gateway = gateway
        self.sent = 0
        self._slowest = 0.0
        self._pause = 1.0 / per_second
        self._tls = _context(ca_file) if gateway.tls else None

    async def send(self, data: bytes, seconds: float = PATIENCE) -> list[Answer]:
        """The answers to these bytes; none where the gateway says nothing.  Raises NoAnswer where nobody listens."""
        if self.sent:
            await asyncio.sleep(self._pause)
        self.sent += 1
        place = self.gateway
        try:
            return await wire.send(place.address, place.port, data, tls=self._tls, name=place.name, seconds=seconds)
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            raise NoAnswer(f"{place.origin}: TLS: {why}") from None
        except TimeoutError:
            raise NoAnswer(f"{place.origin}: no connection to {place.address}:{place.port} in time") from None
        except (OSError, UnicodeError) as error:  # a name that no resolver could be asked for is of the second kind
            why = getattr(error, "strerror", None) or type(error).__name__
            raise NoAnswer(f"{place.origin}: {why}") from None

    @property
    def patience(self) -> float:
        """Seconds in which an answer would have come, where perhaps none comes: by what the slowest took so far."""
        return 2.0 + 3 * self._slowest

    async def ask(self, path: str, *lines: str, token: str | None = None, method: str = "GET") -> Answer:
        """One answer to a plain request.  Raises NoAnswer."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.gateway.host}", "User-Agent: bearerd-doctor", *lines]
        head += [f"Authorization: Bearer {token}"] if token is not None else []
        began = time.monotonic()
        answers = await self.send("\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1"))
        self._slowest = max(self._slowest, time.monotonic() - began)
        if not answers:
            raise NoAnswer(f"{self.gateway.origin}{path}: no answer of HTTP")
        return answers[0]


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise NoAnswer(f"{ca_file}: holds no certificates that can be used ({type(error).__name__})") from None
