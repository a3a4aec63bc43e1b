"""Who is at the other end of a connection, and whether it may speak as a gateway (``trust.peers``)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

UNIX = "unix"


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end: ``"unix"``, or an IP address."""

    name: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None  # None: a unix socket, or not known


class Trust:
    """``trust.peers``, compiled."""

    def __init__(self, peers: Iterable[str]) -> None:
        peers = set(peers)
        self._unix = UNIX in peers
        self._networks = tuple(ipaddress.ip_network(peer) for peer in sorted(peers - {UNIX}))

    def __contains__(self, peer: Peer) -> bool:
        if peer.address is None:
            return self._unix and peer.name == UNIX
        return any(peer.address in network for network in self._networks)


def of(transport: Any) -> Peer:
    """The peer of a connection's transport.  What cannot be told is nobody, and not trusted."""
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None:
        return Peer("", None)
    if connection.family == socket.AF_UNIX:
        return Peer(UNIX, None)
    name = transport.get_extra_info("peername")
    return at(str(name[0])) if name else Peer("", None)


def at(host: str) -> Peer:
    """The peer at an IP address; one in IPv6's form of IPv4 is the IPv4 address that it means."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return Peer("", None)
    mapped = getattr(address, "ipv4_mapped", None)
    return Peer(str(mapped or address), mapped or address)


def named(name: str) -> Peer:
    """The one that has this name."""
    return Peer(UNIX, None) if name == UNIX else at(name)


def of_request(request: web.BaseRequest) -> Peer:
    """The same, looked at once a connection."""
    connection = request.protocol
    known = getattr(connection, "peer", None)
    if known is None:
        known = of(request.transport)
        if hasattr(connection, "peer"):
            connection.peer = known
    return known
