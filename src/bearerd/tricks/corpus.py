"""The corpus: every trick, and what each group of them is about."""

from __future__ import annotations

import dataclasses

from bearerd.tricks.climbs import CLIMBS
from bearerd.tricks.connections import CONNECTIONS
from bearerd.tricks.credentials import CREDENTIALS
from bearerd.tricks.dialects import DIALECTS
from bearerd.tricks.framing import BODIES
from bearerd.tricks.hosts import HOSTS
from bearerd.tricks.identity import IDENTITIES
from bearerd.tricks.inert import INERT
from bearerd.tricks.lines import LINES, SIZES
from bearerd.tricks.methods import METHODS
from bearerd.tricks.spellings import QUERIES, SPELLINGS
from bearerd.tricks.trick import Trick

_ALL = (
    *CLIMBS, *SPELLINGS, *QUERIES, *HOSTS, *IDENTITIES, *CREDENTIALS, *DIALECTS, *METHODS, *CONNECTIONS, *BODIES, *LINES, *SIZES,
)  # fmt: skip

TRICKS: tuple[Trick, ...] = tuple(
    dataclasses.replace(trick, inert=INERT[trick.name]) if trick.name in INERT else trick for trick in _ALL
)

GROUPS: dict[str, str] = {
    "climbs": "from an open path back to the secret one, by dot segments",
    "spellings": "the secret path, spelled another way",
    "queries": "what is path and what is not: queries and fragments",
    "hosts": "targets with a host of their own, and hosts that are two",
    "identity": "an identity that the client brings along",
    "credentials": "credentials that are none, or two",
    "dialects": "what gateways tell each other, told by the client",
    "methods": "methods that are another one to the upstream",
    "connections": "pipelines, hop-by-hop fields, upgrades, trailers",
    "framing": "where a request ends",
    "lines": "where a line ends, and where a head begins",
    "sizes": "what does not fit",
}
