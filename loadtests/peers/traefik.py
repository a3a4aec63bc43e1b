"""Whole chains with Traefik: it alone, and with bearerd beside it.  Without a licence it has no check of its own."""

from __future__ import annotations

from peers import examples
from peers.groups import ALONE, BEARERD, chain

UNASKED = {"middlewares: [ask-bearerd, keep-the-token]": "middlewares: [keep-the-token]"}

PEERS = (
    chain("traefik-open", "Traefik", ALONE, "", lambda place: examples.chained(place, "traefik", ALONE, UNASKED)),
    chain(
        "traefik-bearerd", "Traefik", BEARERD, "ForwardAuth", lambda place: examples.chained(place, "traefik", BEARERD)
    ),
)
