"""``store.url``: its forms, read strictly and once, before anything connects.

    redis://[user:password@]host[:port][/db]           rediss://…  (TLS)
    unix://[user:password@]/path/to.sock[?db=0]
    redis+sentinel://[user:password@]host[:port],host…/MASTER[/db][?sentinel_username=…&sentinel_password=…]   (rediss+sentinel)
    redis+cluster://[user:password@]host[:port],host…  (rediss+cluster)

``redis-sentinel`` and ``redis-cluster``, as other clients spell them, mean the same.  No error repeats a part of the URL
that may be a password: one with a badly escaped password has it anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

from bearerd.config.problems import nearest

FORMS: Final = (
    "redis://host:6379/0, rediss://… (TLS), unix:///path, redis+sentinel://host,host/MASTER, redis+cluster://"
)
MASK: Final = "***"
PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_URL: Final = re.compile(r"([a-z+-]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?")
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_DATABASE: Final = re.compile(r"[0-9]{1,6}")
_OPTIONS: Final = frozenset({"db", "client_name"})
_TLS_OPTIONS: Final = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"})
_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})

Kind = Literal["single", "sentinel", "cluster"]


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A parsed URL."""

    kind: Kind
    tls: bool
    hosts: tuple[tuple[str, int], ...]  # the server, the sentinels, or seeds of the cluster; none with ``path``
    path: str = ""  # of a unix socket
    master: str = ""  # the name that the sentinels know it by
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)  # the others, by their names in the URL


def parse(url: str) -> StoreUrl:
    """Read a URL.  Raises ValueError with what is wrong, in words that hold nothing of it but names of options."""
    scheme, netloc, path, query = _parts(url)
    base, _, topology = scheme.replace("-", "+").partition("+")
    if base not in ("redis", "rediss", "unix") or topology not in ("", "sentinel", "cluster"):
        raise ValueError("unknown scheme")
    if base == "unix" and topology:
        raise ValueError("unknown scheme")
    tls = base == "rediss"
    login, _, place = netloc.rpartition("@")
    username, _, password = login.partition(":")
    options = _options(query, tls=tls, sentinel=topology == "sentinel")
    kind: Kind = "sentinel" if topology == "sentinel" else "cluster" if topology == "cluster" else "single"
    master, database = "", options.pop("db", None)
    if base == "unix":
        if place or not path.strip("/"):
            raise ValueError("names no socket: unix:///path/to.sock, with three slashes")
    else:
        master, database = _within(kind, path, database)
    if database is not None and not _DATABASE.fullmatch(database):
        raise ValueError("the database must be a number")
    return StoreUrl(
        kind=kind,
        tls=tls,
        hosts=() if base == "unix" else _hosts(place, kind),
        path=unquote(path) if base == "unix" else "",
        master=master,
        database=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        options=options,
    )


def masked(url: str) -> str:
    """The URL with ``***`` for each secret; it can be read again.  A text that is no URL is masked whole."""
    try:
        parse(url)
        scheme, netloc, path, query = _parts(url)
    except ValueError:
        return MASK
    login, at, place = netloc.rpartition("@")
    name, colon, _ = login.partition(":")
    given = [option.partition("=") for option in query.split("&") if option]
    options = "&".join(f"{key}={MASK if key.endswith('password') else value}" for key, _, value in given)
    return f"{scheme}://{name}{colon}{MASK if colon else ''}{at}{place}{path}{'?' if options else ''}{options}"


def _parts(url: str) -> tuple[str, str, str, str]:
    """(scheme, what stands before the path, path, query); not urlsplit, which knows one host only."""
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("holds a space or a control character: percent-encode it")
    if "#" in url:
        raise ValueError("has a fragment: a master's name is the path, and # in a password is %23")
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("unknown scheme")
    return match[1], match[2], match[3], match[4] or ""


def _within(kind: Kind, path: str, database: str | None) -> tuple[str, str | None]:
    """(master, database) from the path of a URL with hosts."""
    segments = [unquote(segment) for segment in path.split("/") if segment]
    master = ""
    if kind == "sentinel":
        if not segments:
            raise ValueError("names no master: redis+sentinel://host,host/MASTER")
        master = segments.pop(0)
    if kind == "cluster" and (segments or database is not None):
        raise ValueError("a cluster has no databases")
    if len(segments) > 1 or (segments and database is not None):
        raise ValueError("the path must be one database number")
    return master, segments[0] if segments else database


def _options(query: str, *, tls: bool, sentinel: bool) -> dict[str, str]:
    known = _OPTIONS | _TLS_OPTIONS | _SENTINEL_OPTIONS
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            near = nearest(name, known)  # the name itself may be the second half of a password with a "?"
            raise ValueError("unknown option: " + (f"did you mean {near}?" if near else ", ".join(sorted(known))))
        if name in options:
            raise ValueError(f"option {name} stands there twice")
        if name in _TLS_OPTIONS and not tls:
            raise ValueError(f"option {name} is for rediss:// only")
        if name in _SENTINEL_OPTIONS and not sentinel:
            raise ValueError(f"option {name} is for sentinels only")
        options[name] = value
    return options


def _hosts(place: str, kind: Kind) -> tuple[tuple[str, int], ...]:
    default = SENTINEL_PORT if kind == "sentinel" else PORT
    texts = place.split(",")
    if kind == "single" and len(texts) > 1:
        raise ValueError("names several hosts: redis+sentinel:// or redis+cluster://")
    return tuple(_host(text, default) for text in texts)


def _host(text: str, default: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None:
        raise ValueError("host or port is wrong" if text.partition(":")[0] else "names no host")
    port = int(match[3] or default)
    if not 0 < port < 65536:
        raise ValueError("host or port is wrong")
    return match[1] or match[2], port
