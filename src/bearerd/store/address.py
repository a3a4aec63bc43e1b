"""Where the store is: from a ``store.url`` (``config.store_url`` has its forms) to a connection to the server that takes writes.

Nothing here, and no error from here, repeats a password.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.crc import key_slot
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError

from bearerd import __version__
from bearerd._native.replies import Meter
from bearerd.config import store_url
from bearerd.errors import ConfigError, StoreError
from bearerd.store import replies

if TYPE_CHECKING:
    from bearerd.config.store_url import StoreUrl

# What CLIENT LIST says of us.  Made once: redis-py would read its own package's metadata, in the loop, for each connection.
_DRIVER: Final = DriverInfo(name="bearerd", lib_version=__version__)
_FILES: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class Tls:
    """How TLS is spoken.  With ``ca`` or ``ca_path`` those authorities are believed *instead of* the system's."""

    ca: str | None = None
    ca_path: str | None = None
    certificate: str | None = None
    key: str | None = None
    password: str | None = field(default=None, repr=False)

    async def context(self) -> ssl.SSLContext:
        """Checks certificate and host name.  Built once, and anew when a file has changed.  Raises StoreError."""
        try:
            return await asyncio.to_thread(_context, self, self._modified())
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or type(error).__name__  # OpenSSL's own has no path in it
            raise StoreError(f"TLS to the store: its certificates cannot be read ({reason})") from None

    def _modified(self) -> tuple[int, ...]:
        named = (self.ca, self.ca_path, self.certificate, self.key)
        return tuple(Path(path).stat().st_mtime_ns for path in named if path is not None)


@lru_cache(maxsize=8)
def _context(tls: Tls, _modified: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca, capath=tls.ca_path)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # not what the machine's OpenSSL takes for enough
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key, tls.password or "")  # "": it must never ask a terminal
    return context


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL.  ``connection`` makes a connection, not yet open, to the server that takes writes now."""

    kind: str  # "single" | "sentinel" | "cluster"
    hosts: tuple[tuple[str, int], ...] = ()  # sentinels, or seeds of the cluster
    master: str = ""  # the name that the sentinels know it by
    tls: Tls | None = None
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # of the data connection
    lookup: dict[str, Any] = field(default_factory=dict, repr=False)  # of connections to sentinels or seeds

    @property
    def replicated(self) -> bool:
        """Whether this topology promises a replica, so that a heartbeat without one must not count."""
        return self.kind == "sentinel"

    async def connection(self, slot_of: str, seconds: float) -> tuple[AbstractConnection, Meter]:
        """A fresh connection, with ``seconds`` to open, and what measures its replies.

        ``slot_of`` is any key of the fleet.  Raises StoreError if no server can be named.
        """
        if self.kind == "single":
            return await self._make(self.options, seconds)
        ask = _master_of if self.kind == "sentinel" else _owner_of
        what = self.master if self.kind == "sentinel" else slot_of
        reasons = []
        # In any order: of several, the one that answers first may be cut off and name a primary of the past for ever.
        for host, port in random.sample(self.hosts, len(self.hosts)):
            lookup, _ = await self._make({**self.lookup, "host": host, "port": port}, seconds)
            try:
                async with asyncio.timeout(2 * seconds):
                    found = await ask(lookup, what)
            except (RedisError, OSError, TimeoutError, ValueError, LookupError, TypeError) as error:
                reasons.append(f"{host}:{port}: {type(error).__name__}")
                continue
            finally:
                await lookup.disconnect(nowait=True)
            if found is not None:
                return await self._make({**self.options, "host": found[0] or host, "port": found[1]}, seconds)
            reasons.append(f"{host}:{port}: knows no {'master ' + self.master if self.master else 'owner of the slot'}")
        raise StoreError(f"no {self.kind} node named the server to write to: {'; '.join(reasons)}")

    async def _make(self, options: dict[str, Any], seconds: float) -> tuple[AbstractConnection, Meter]:
        meter = Meter()
        meter.begin(replies.MOST)  # for the login, and for whoever is only asked the way
        common: dict[str, Any] = {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": seconds}
        common |= {"parser_class": partial(replies.Parser, meter), "driver_info": _DRIVER}
        if "path" in options:
            return UnixDomainSocketConnection(**options, **common), meter
        if self.tls is None:
            return Connection(**options, **common), meter
        secured = SSLConnection(**options, **common)
        # redis-py would add our authorities to the system's, and read them all anew, in the loop, for each connection.
        secured.ssl_context.context = await self.tls.context()
        return secured, meter


async def _master_of(sentinel: AbstractConnection, master: str) -> tuple[str, int] | None:
    await sentinel.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)
    reply = await sentinel.read_response()
    return None if reply is None else (reply[0].decode(), int(reply[1]))


async def _owner_of(node: AbstractConnection, key: str) -> tuple[str, int] | None:
    await node.send_command("CLUSTER", "SLOTS")
    slot = key_slot(key.encode())
    for first, last, owner, *_replicas in await node.read_response():
        if first <= slot <= last:
            host = owner[0].decode() if owner[0] else ""
            return ("" if host == "?" else host), int(owner[1])  # "" and "?": the host that we asked
    return None


def parse(url: str, ca_file: Path | None = None) -> Address:
    """Read a ``store.url``.  Raises ConfigError, which never repeats the URL: it may hold a password."""
    try:
        found = store_url.parse(url)
    except ValueError as error:
        remedy = f"write {store_url.FORMS}; special characters in a password are percent-encoded"
        raise ConfigError("config", [("store.url", str(error), remedy)]) from None
    login = {"username": found.username, "password": found.password}
    options: dict[str, Any] = {name: value for name, value in login.items() if value is not None}
    lookup = dict(options) if found.kind == "cluster" else {}
    options |= {"db": found.database} if found.database else {}
    for name, value in found.options.items():
        if name.startswith("sentinel_"):
            lookup[name.removeprefix("sentinel_")] = value
        elif not name.startswith("ssl_"):
            options[name] = value
    if found.kind == "single":
        host = dict(zip(("host", "port"), found.hosts[0], strict=True)) if found.hosts else {"path": found.path}
        return Address("single", tls=_tls(found, ca_file), options=options | host)
    return Address(found.kind, found.hosts, found.master, _tls(found, ca_file), options, lookup)


def _tls(found: StoreUrl, ca_file: Path | None) -> Tls | None:
    if not found.tls:
        return None
    ca, path, certificate, key = (found.options.get(name) for name in _FILES)
    return Tls(str(ca_file) if ca_file else ca, path, certificate, key, found.options.get("ssl_password"))
