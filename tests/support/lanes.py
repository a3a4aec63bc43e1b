"""Two equal houses, one asked through the lane and one through aiohttp, and everything that is to be equal between them."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Self

from support import jose
from support.house import API, ISS, House, config, issuer, token
from support.line import HERE, Line, conversation, ids, lane_line, plain_line, told

from bearerd import metrics
from bearerd._native import head
from bearerd._native.revocations import FOREVER, pack
from bearerd.store import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bearerd.config.model import Config

OTHER = "https://other.example"
MCP = "https://mcp.example/mcp"
PAGE = "https://inspector.example"
COUNTED = ("bearerd_decisions_total", "bearerd_would_refuse_total", "bearerd_decision_lines_suppressed_total")
OF_THE_MOMENT = ("duration_us", "request_id", "ts")
_SPAN = re.compile(r"\b\d\S* s\b")  # how long ago a token ended, by the clock of the moment

RULES: list[dict[str, Any]] = [
    {"preflight": True},
    {"path": "/public/**", "auth": "none"},
    {"path": "/maybe/**", "auth": "optional"},
    {"path": "/a/**", "methods": ["GET", "POST"], "scopes": ["read"]},
    {"path": "/b", "scopes": ["admin"]},
    {"path": "/roles/*", "roles": ["editor"]},
    {"path": "/claims", "claims": {"tier": "gold"}},
    {"methods": ["DELETE"], "scopes": ["write"]},
    {"path": "/Case/{id}"},
]

TABLES: dict[str, dict[str, Any]] = {
    "bare": {},
    "scoped": {"scopes": ["read"], "max_lifetime": "1h"},
    "ruled": {"rule": RULES},
    "methods": {"rule": [{"methods": ["GET"]}, {"methods": ["PUT"], "auth": "none"}]},
    "shadowed": {"rule": [{"path": "/a/**", "scopes": ["admin"], "enforce": "shadow"}, *RULES]},
    "shade": {"enforce": "shadow", "rule": RULES},
    "headers": {"client_headers": ["X-Auth-Hint"], "identity": {"X-Auth-Subject": "sub", "X-Tier": "tier"}},
    "picky": {"issuers": ["other"]},
    "available": {"staleness": "available"},
    "login": {"rule": RULES, "login_redirect": "https://login.example/start", "login_return_parameter": "rd"},
    "kept": {"cacheable_for": "5s", "rule": RULES},
    "mcp": {"kind": "mcp", "identifier": MCP, "audience": API, "origins": [PAGE], "scopes": ["read"]},
}
"""Each stands twice: for nginx and Envoy under its name, and for the forwarded dialect with ``-f`` behind it."""

RESOURCES = {
    name: {"identifier": API, "gateway": ["nginx", "envoy"], "hosts": [f"{name}.test"]} | table
    for name, table in TABLES.items()
} | {
    f"{name}-f": {"identifier": API, "gateway": "forwarded", "hosts": [f"{name}-f.test"]} | table
    for name, table in TABLES.items()
}
DIALECTS = ("nginx", "forwarded", "envoy")


def made(tmp_path: Path, **tables: Any) -> Config:
    """Every kind of resource, two issuers, and a line for each decision."""
    other = {"jwks": {"keys": [jose.jwk("P-256", 1, kid="k2", alg="ES256", use="sig")]}}
    tree: dict[str, Any] = {
        "server": {"profile": "development", "log_allows": 1.0},
        "limits": {"refusal_logs_per_second": 1_000_000, "decision_ring": 1_000},
        "resource": RESOURCES,
        "issuer": [issuer(), issuer(issuer=OTHER, name="other", **other)],
        "caller": [],
    }
    return config(tmp_path, **(tree | tables))


def tokens() -> dict[str, str]:
    """One of each kind; what they are is their names."""
    good = token()
    return {
        "good": good,
        "poor": token(scope="openid", jti="t2"),
        "rich": token(scope="read write admin", roles=["editor"], tier="gold", jti="t3"),
        "nobody": token(sub=..., jti="t4", tier='a,b %"\u00e9'),
        "bad signature": good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB"),
        "expired": token(iat=1_000, exp=2_000),
        "not yet": token(nbf=4_000_000_000),
        "audience": token(aud="https://else.example", jti="t5"),
        "bound": token(cnf={"jkt": "x"}, jti="t6"),
        "revoked": token(jti="revoked"),
        "cut off": token(sub="mallory", jti="t7"),
        "other issuer": token(1, {"kid": "k2"}, iss=OTHER, jti="t8"),
        "stranger": token(iss="https://stranger.example"),
        "unknown key": token(header={"kid": "k9"}),
        "long-lived": token(exp=4_000_000_000, jti="t9"),
        "large": "a" * 9000,
        "large, in parts": "a." * 4500,
        "large, one part": "." + "a" * 9000,
        "large, and not one": "a" * 9000 + "!",
        "large, a key": "brd_" + "a" * 9000,
        "a key": "brd_" + "a" * 40,
        "not one": "!!",
        "two": f"{good},{good}",
        "not base64": "a.b.c",
    }


def question(
    dialect: str,
    table: str,
    credential: str | None = None,
    method: str = "GET",
    uri: str = "/a/b",
    *more: tuple[str, str],
    asks: str = "GET",
    host: str | None = None,
) -> bytes:
    """A request of a gateway.  ``asks``: its own method, where that is not the original one.

    ``host``: ask at /auth, where this chooses the resource; ``{}`` is the one of the table.
    """
    name = f"{table}-f" if dialect == "forwarded" else table
    fields = [("Host", "bearerd.test")]
    if dialect == "envoy":
        line = f"{method} /ext_authz/{name}{uri} HTTP/1.1"
    else:
        line = f"{asks} /auth/{name} HTTP/1.1" if host is None else f"{asks} /auth HTTP/1.1"
        words = ("Original", "URI") if dialect == "nginx" else ("Forwarded", "Uri")
        fields += [(f"X-{words[0]}-Method", method), (f"X-{words[0]}-{words[1]}", uri)]
        fields += [(f"X-{words[0]}-Host", host.replace("{}", f"{name}.test"))] if host is not None else []
    if credential is not None:
        fields.append(("Authorization", f"Bearer {credential}"))
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in (*fields, *more)), "", ""]).encode("utf-8")


class Pair:
    """``async with Pair(tmp_path) as pair``: ``pair.ask(data)`` fails where lane and aiohttp differ in anything.

    ``anew``: each time no token is known, and allows get no line, so that the lane need not read their requests.
    """

    def __init__(self, tmp_path: Path, made_so: Config | None = None, *, anew: bool = False, **service: Any) -> None:
        set_so = made_so or made(tmp_path)
        if anew:
            server = set_so.server.model_copy(update={"log_allows": 0.0})
            set_so = set_so.model_copy(update={"server": server})
        self.anew = anew
        self.laned, self.plain = House(set_so, tmp_path, lane=True, **service), House(set_so, tmp_path, **service)
        self.houses = self.laned, self.plain
        self._lines: dict[House, list[dict[str, Any]]] = {}
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for house in self.houses:
            self._lines[house] = written = []
            recorder = house.service.recorder
            recorder.write = lambda record, written=written, subject=recorder.subject: written.append(
                record.line(subject)
            )
            await self._open.enter_async_context(house)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._open.aclose()
        if kind is None:
            self.same_counts()

    @property
    def native(self) -> int:
        """Answers that the lane gave by itself or by its clerk, not by aiohttp."""
        return self.laned.clerk.lane.answered

    def each(self, act: Callable[[House], object]) -> None:
        """Do the same to both."""
        for house in self.houses:
            act(house)

    def revoke(self, kind: entries.Kind, value: str, before: int = FOREVER, at: int = 1) -> None:
        """In both views."""
        entry = pack(entries.key(kind, ISS, value), before, FOREVER, at)
        self.each(lambda house: house.service.view.table.apply(entry, house.service.time.forgetting()))

    async def ask(self, data: bytes | Iterable[bytes], peer: str = HERE, listener: str = "") -> bytes:
        """What both answer to these bytes (or pieces) on a new connection.  ``listener``: the dialect that it fixes."""
        pieces = [data] if isinstance(data, bytes) else list(data)
        if self.anew:
            self.each(lambda house: house.service.cache.clear())
        lines = [
            await conversation(self.laned, lane_line(self.laned, peer, listener), pieces),
            await conversation(self.plain, plain_line(self.plain, peer, listener), self._cut(pieces, listener)),
        ]
        said = [told(bytes(line.sent)) for line in lines]
        assert said[0] == said[1], pieces
        assert lines[0].closed == lines[1].closed, pieces
        self._same_records(lines, pieces)
        for line in lines:
            line.hang_up()
        return said[0]

    def _cut(self, pieces: list[bytes], listener: str) -> Iterator[bytes]:
        """The same bytes as the lane gives them away: each of its requests in a read of its own, and a head when it has ended.

        What aiohttp answers depends on how the network cuts: something malformed spoils every request of the same read.  And
        it answers the second of two Hosts at once, which the lane sees with the head's end where they came in two reads.
        """
        held, searched, gone = b"", 0, False
        for piece in pieces:
            held += piece
            while held and not gone:
                found = head.read(held, searched)
                if isinstance(found, int):
                    searched = found
                    break
                searched = 0
                if gone := found is None or not self._knows(found, listener):
                    break
                yield held[: found.size]
                held = held[found.size :]
            if gone:
                yield held
                held = b""

    def _knows(self, found: head.Whole, listener: str) -> bool:
        """Whether the lane has a route for it."""
        if not found.name:
            return bool(listener)
        face = "forward_auth" if found.face == "auth" else found.face
        return (face, found.name.decode()) in self.laned.clerk._routes

    def _same_records(self, lines: list[Line], pieces: list[bytes]) -> None:
        found = [
            [_lasting(house.service.recorder.ring.find(name)) for name in ids(bytes(line.sent))]
            for house, line in zip(self.houses, lines, strict=True)
        ]
        assert found[0] == found[1], pieces
        self.laned.clerk._write()
        written = [sorted(map(repr, map(_lasting, self._lines[house]))) for house in self.houses]
        assert written[0] == written[1], pieces
        for known in self._lines.values():
            known.clear()

    def same_counts(self) -> None:
        """What was counted since the start, by every label.  Dear: it reads a thousand series."""
        laned, plain = map(_counted, self.houses)
        assert laned == plain


def _counted(house: House) -> dict[tuple[str, ...], float]:
    found = metrics.gather([house.service.metrics.buffer])
    counted = {series: values[-1] for series, values in found.items() if series[0] in COUNTED and any(values)}
    return counted | {
        series: sum(values[:-1])  # how many, not how long
        for series, values in found.items()
        if series[0] == "bearerd_decision_duration_seconds"
    }


def _lasting(record: dict[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    lasting = {name: record[name] for name in sorted(record) if name not in OF_THE_MOMENT}
    return lasting | {"hints": [_SPAN.sub("N s", hint) for hint in record.get("hints", ())]}
