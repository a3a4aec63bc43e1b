"""Where the store is: the URL forms, and how the server that takes writes is found behind each.

    redis://[user:password@]host[:port][/db]           rediss://…  (TLS; ?ssl_ca_certs=FILE, ?ssl_certfile=, ?ssl_keyfile=)
    unix:///path/to.sock[?db=0]
    redis+sentinel://[user:password@]host[:port],host…/MASTER[/db][?sentinel_username=…&sentinel_password=…]   (rediss+sentinel)
    redis+cluster://[user:password@]host[:port],host…  (rediss+cluster): all keys of a fleet are in one slot, so one node is used

Nothing here, and no error from here, repeats a password.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.crc import key_slot
from redis.exceptions import RedisError

from bearerd.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SENTINEL_PORT: Final = 26379
_PORT: Final = 6379
_FORMS: Final = "redis://, rediss://, unix://, redis+sentinel://, redis+cluster:// (rediss+… for TLS)"
_OPTIONS: Final = frozenset(
    {"db", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_check_hostname"}
    | {"sentinel_username", "sentinel_password", "client_name"}
)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL.  ``connection`` makes a connection, not yet open, to the server that takes writes now."""

    kind: str  # "single" | "sentinel" | "cluster"
    hosts: tuple[tuple[str, int], ...] = ()  # sentinels, or seeds of the cluster
    master: str = ""  # the name that the sentinels know it by
    tls: bool = False
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # of the data connection
    lookup: dict[str, Any] = field(default_factory=dict, repr=False)  # of connections to sentinels or seeds

    @property
    def replicated(self) -> bool:
        """Whether this topology promises a replica, so that a heartbeat without one must not count."""
        return self.kind == "sentinel"

    async def connection(self, slot_of: str, seconds: float) -> AbstractConnection:
        """A fresh connection, with ``seconds`` to open.  ``slot_of`` is any key of the fleet.  Raises StoreError if no server can be named."""
        if self.kind == "single":
            return _make(self.options, seconds)
        ask = _master_of if self.kind == "sentinel" else _owner_of
        what = self.master if self.kind == "sentinel" else slot_of
        reasons = []
        for host, port in self.hosts:
            lookup = _make({**self.lookup, "host": host, "port": port}, seconds)
            try:
                async with asyncio.timeout(2 * seconds):
                    found = await ask(lookup, what)
            except (RedisError, OSError, TimeoutError, ValueError, LookupError, TypeError) as error:
                reasons.append(f"{host}:{port}: {type(error).__name__}")
                continue
            finally:
                await lookup.disconnect(nowait=True)
            if found is not None:
                return _make({**self.options, "host": found[0] or host, "port": found[1]}, seconds)
            reasons.append(f"{host}:{port}: knows no {'master ' + self.master if self.master else 'owner of the slot'}")
        raise StoreError(f"no {self.kind} node named the server to write to: {'; '.join(reasons)}")


def _make(options: dict[str, Any], seconds: float) -> AbstractConnection:
    kind: type[AbstractConnection] = options.get("connection_class", Connection)
    rest = {name: value for name, value in options.items() if name != "connection_class"}
    return kind(**rest, protocol=2, socket_timeout=None, socket_connect_timeout=seconds)


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


class _Wrong(ValueError):
    """What is wrong, in our words.  Other libraries' messages quote the URL, and with it a badly escaped password."""


def parse(url: str) -> Address:
    """Read a ``store.url``.  Raises ConfigError, which never repeats the URL: it may hold a password."""
    try:
        return _parse(url)
    except (ValueError, TypeError) as error:
        wrong = str(error) if isinstance(error, _Wrong) else "cannot be read"
        remedy = f"one of {_FORMS}; special characters in a password are percent-encoded"
        raise ConfigError("config", [("store.url", wrong, remedy)]) from None


def _parse(url: str) -> Address:
    scheme = url.partition("://")[0]
    base, _, topology = scheme.partition("+")
    _refuse_unknown_options(url)
    if not topology and base in ("redis", "rediss", "unix"):
        return _single(url, base)
    if base not in ("redis", "rediss") or topology not in ("sentinel", "cluster"):
        raise _Wrong("unknown scheme")
    login, hosts, path, query = _split_many(url)
    wanted = {name: query.pop(name) for name in ("sentinel_username", "sentinel_password") if name in query}
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if topology == "sentinel" and not segments:
        raise _Wrong("names no master: redis+sentinel://host,host/MASTER")
    if topology == "cluster" and segments:
        raise _Wrong("a cluster has no databases")
    inner = f"{base}://{login}host/{segments[1] if len(segments) > 1 else ''}?{urlencode(query)}"
    options = _checked(inner, base)
    lookup = {name: value for name, value in options.items() if name.startswith("ssl_") or name == "connection_class"}
    if topology == "cluster":
        lookup |= {name: value for name, value in options.items() if name in ("username", "password")}
    lookup |= {name.removeprefix("sentinel_"): value for name, value in wanted.items()}
    port = _SENTINEL_PORT if topology == "sentinel" else _PORT
    master = segments[0] if topology == "sentinel" else ""
    return Address(topology, tuple(_host(text, port) for text in hosts), master, base == "rediss", options, lookup)


def _single(url: str, base: str) -> Address:
    options = _checked(url, base)
    if base == "unix" and not options.get("path"):
        raise _Wrong("names no socket: unix:///path/to.sock")
    return Address("single", tls=base == "rediss", options=options)


def _checked(url: str, base: str) -> dict[str, Any]:
    """What redis-py makes of a URL, with what it leaves lax made strict."""
    database = urlsplit(url).path.strip("/")
    if base != "unix" and database and not database.isdecimal():
        raise _Wrong("the path must be a database number")
    options: dict[str, Any] = dict(parse_url(url))
    if base == "rediss":
        options["connection_class"] = SSLConnection
        options |= {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": options.get("ssl_check_hostname", True) is not False,
        }
    if base == "unix":
        options["connection_class"] = UnixDomainSocketConnection
    return options


def _refuse_unknown_options(url: str) -> None:
    named = [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    unknown = sorted(set(named) - _OPTIONS)
    if unknown:
        raise _Wrong(f"unknown option {', '.join(unknown)}; known: {', '.join(sorted(_OPTIONS))}")


def _split_many(url: str) -> tuple[str, Sequence[str], str, dict[str, str]]:
    """(login with its @, hosts, path, query) of a URL that names several hosts."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if not hosts or not all(hosts.split(",")):
        raise _Wrong("names no host")
    return login + at, hosts.split(","), parts.path, dict(parse_qsl(parts.query))


def _host(text: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise _Wrong("names no host")
    return parts.hostname, parts.port or default
