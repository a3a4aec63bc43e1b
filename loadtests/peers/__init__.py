"""Whom bearerd is compared with, in the order of the report."""

from __future__ import annotations

from place import Peer

from peers import bearerd, envoy, fixed, haproxy, nginx, node, python

ALL: tuple[Peer, ...] = (
    *fixed.PEERS,
    *node.PEERS,
    *envoy.PEERS,
    *nginx.IN_PROCESS,
    *haproxy.PEERS,
    *python.PEERS,
    *bearerd.KNOWN,
    *bearerd.NEW,
    *nginx.CHAINS,
)
