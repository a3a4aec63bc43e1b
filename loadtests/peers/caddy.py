"""Whole chains with Caddy: it alone, and with bearerd beside it.  As it is delivered it has no check of its own."""

from __future__ import annotations

from peers import examples
from peers.groups import ALONE, BEARERD, chain

UNASKED = {examples.part("caddy", "Caddyfile", "\t\t\tforward_auth ", "\n\t\t\t}\n"): ""}

PEERS = (
    chain("caddy-open", "Caddy", ALONE, "", lambda place: examples.chained(place, "caddy", ALONE, UNASKED)),
    chain("caddy-bearerd", "Caddy", BEARERD, "forward_auth", lambda place: examples.chained(place, "caddy", BEARERD)),
)
