"""Whom bearerd is compared with, in the order of the report."""

from __future__ import annotations

from place import Peer

from peers import bearerd, caddy, envoy, envoy_chains, fixed, haproxy, nginx, node, python, traefik

ALL: tuple[Peer, ...] = (
    *fixed.PEERS,
    *node.PEERS,
    *envoy.PEERS,
    *nginx.IN_PROCESS,
    *haproxy.IN_PROCESS,
    *python.PEERS,
    *bearerd.KNOWN,
    *bearerd.NEW,
    *nginx.CHAINS,
    *envoy_chains.PEERS,
    *traefik.PEERS,
    *caddy.PEERS,
    *haproxy.CHAINS,
)
MORE = frozenset(peer.name for peer in node.PEERS)
"""Those who take part only when asked: what they need comes by npm."""
