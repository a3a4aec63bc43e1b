"""What a starting configuration is to be about, each value checked so far that it can stand in any gateway's file.

A file of nginx, YAML and a Caddyfile quote in different ways.  Nothing that comes in here has to be quoted: what is written into a
gateway's file is a number, an IP address or a host's name, and URLs go into TOML alone, as strings of it.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

ISSUER: Final = "http://127.0.0.1:9190"
"""The development issuer, where the examples expect it."""

_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.?"
)
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")  # RFC 3986, without a fragment
_PORTS: Final = range(1, 65536)


class BadWish(ValueError):
    """Says what is wrong with a value, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.bracketed}:{self.port}"

    @property
    def bracketed(self) -> str:
        """The host as it stands before a port."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def discovery(self) -> str:
        """How Envoy finds it: it takes names in clusters of this type only, and looks for IPv6 alone unless told otherwise."""
        return "STATIC" if _literal(self.host) else "STRICT_DNS\n      dns_lookup_family: V4_PREFERRED"

    @property
    def grpc(self) -> Endpoint:
        """Where bearerd is asked by gRPC, if it is: behind its own, admin's and the probes' port."""
        return self.behind(3)

    @property
    def reached(self) -> Endpoint:
        """Where a client on this machine finds who listens here: nobody can call 0.0.0.0 or [::]."""
        return self if not _everywhere(self.host) else Endpoint("::1" if ":" in self.host else "127.0.0.1", self.port)

    def meets(self, other: Endpoint) -> bool:
        """Whether both are one place, as far as addresses tell: "everywhere" is this machine's loopback, too."""
        here, there = ("127.0.0.1" if host == "localhost" else host for host in (self.reached.host, other.reached.host))
        return (here, self.port) == (there, other.port)

    def behind(self, steps: int) -> Endpoint:
        """The same host, some ports on."""
        return Endpoint(self.host, self.port + steps)


BEARERD: Final = Endpoint("127.0.0.1", 9180)
UPSTREAM: Final = Endpoint("127.0.0.1", 9000)


@dataclass(frozen=True, slots=True)
class Wishes:
    """All that differs from the example."""

    issuer: str
    identifier: str
    public: Endpoint  # where the gateway listens
    bearerd: Endpoint  # where bearerd listens; admin and probes (and gRPC) are the ports behind
    upstream: Endpoint

    def clash(self, *, grpc: bool) -> str | None:
        """Two that would be at one address: one would not start, or a gateway would be its own upstream."""
        ours = ("bearerd", "bearerd's admin", "bearerd's probes", "bearerd's gRPC")[: 4 if grpc else 3]
        places = [("the gateway", self.public), ("the upstream", self.upstream)]
        places += [(name, self.bearerd.behind(steps)) for steps, name in enumerate(ours)]
        if self.issuer == ISSUER:
            places.append(("the development issuer", upstream(ISSUER)))
        for (one, here), (other, there) in itertools.combinations(places, 2):
            if here.meets(there):
                return f"{one} and {other} would both be at {there}"
        return None


def url(text: str) -> str:
    """An http or https URL, as it came.  Raises BadWish."""
    _split(text)
    return text


def upstream(text: str) -> Endpoint:
    """The host and port of an upstream's URL.  Raises BadWish."""
    parts = _split(text)
    if parts.scheme != "http":
        raise BadWish("is https: start with http, and add your gateway's own settings of TLS to the upstream")
    if parts.path not in ("", "/") or parts.query:
        raise BadWish("has a path: write http://HOST:PORT, and rewrite paths before bearerd is asked about them")
    return Endpoint(parts.hostname or "", parts.port or 80)


def loopback(text: str) -> Endpoint:
    """Where bearerd listens: on this machine, for it speaks without TLS.  Raises BadWish."""
    found = listener(text)
    if not ipaddress.ip_address(found.host).is_loopback:
        raise BadWish("is not loopback: begin on one machine; docs/operations.md has TLS between two")
    if found.port + 2 not in _PORTS:
        raise BadWish("leaves no room: the two ports behind it are for admin and probes")
    return found


def listener(text: str) -> Endpoint:
    """An IP address and a port.  Raises BadWish."""
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not _literal(bare) or (":" in bare) != host.startswith("[") or not _port(port):
        raise BadWish("is no address: write IP:PORT or [IPv6]:PORT")
    return Endpoint(bare, int(port))


def _split(text: str) -> SplitResult:
    if not _URL.fullmatch(text):
        raise BadWish(
            "is no URL: write http:// or https://, a host, and what follows, without blanks, quotes and fragment"
        )
    try:
        parts = urlsplit(text)
        known = parts.port is None or parts.port in _PORTS
    except ValueError:
        raise BadWish("has a host or a port that is none") from None
    if parts.username is not None or parts.password is not None:
        raise BadWish("holds a user's name: leave it out")
    if not known or not (_literal(parts.hostname or "") or _NAME.fullmatch(parts.hostname or "")):
        raise BadWish("has a host or a port that is none")
    return parts


def _literal(host: str) -> bool:
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _everywhere(host: str) -> bool:
    return _literal(host) and ipaddress.ip_address(host).is_unspecified


def _port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) in _PORTS
