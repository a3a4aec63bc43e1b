"""What the metamorphic test draws: configurations, tokens and requests, few enough of each kind that they meet again."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

from support import jose

from bearerd import request as view
from bearerd.config.model import Config
from bearerd.request import Request

ISSUERS = ("https://a.example", "https://b.example", "https://c.example")
INLINE = ISSUERS[2]  # its keys stand in the configuration
NAMES = ("api", "web", "jobs")
AUDIENCES = tuple(f"https://{name}.example/" for name in NAMES)
SUBJECTS = ("alice", "bob", "carol")
SESSIONS = ("s1", "s2", None)
CLIENTS = ("app", "cli", None)
SCOPES = ("", "read", "read write", "admin")
ROLES = ((), ("editor",), ("admin", "editor"))
KIDS = ("k0", "k1", "k2")
KEYS = 4  # private keys an issuer may sign with
PATHS = (b"/", b"/orders/1", b"/orders/2?x=1", b"/orders", b"/admin/x", b"/open", b"/ORDERS/1", b"/a/../b", b"/me")
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "get")

RULES: tuple[dict[str, Any], ...] = (
    {"path": "/orders/**", "scopes": ["read"]},
    {"path": "/orders/*", "methods": ["GET"], "roles": ["editor"]},
    {"path": "/orders/**", "methods": ["POST"], "scopes": ["write"]},
    {"path": "/admin/**", "scopes": ["admin"], "roles": ["admin"]},
    {"path": "/admin/**", "claims": {"level": 2}},
    {"path": "/open", "auth": "none"},
    {"path": "/me", "auth": "optional"},
    {"path": "/**", "preflight": True},
    {"path": "/**", "scopes": ["admin"], "enforce": "shadow"},
    {"path": "/**"},
)
LIMITS: tuple[dict[str, int], ...] = (
    {},
    {"token_cache_entries": 4, "refused_tokens": 8},
    {"refused_seconds": 3600, "token_cache_entries": 64},
)


def key(iss: str, number: int, **members: Any) -> dict[str, Any]:
    """An issuer's public key."""
    return jose.jwk("P-256", _number(iss, number), **members)


def _number(iss: str, number: int) -> int:
    return ISSUERS.index(iss) * KEYS + number


def key_set(draw: random.Random, iss: str) -> list[dict[str, Any]]:
    """What an issuer may publish: some of its keys, under any of the kids or none, now and then one it never had."""
    found = []
    for number in draw.sample(range(KEYS), draw.choice((1, 2, 2, 3))):
        members: dict[str, Any] = {"kid": draw.choice(KIDS)} if draw.random() < 0.9 else {}
        found.append(key(iss, number, alg="ES256", **members))
    if draw.random() < 0.1:
        found.append(key(draw.choice(ISSUERS), 0, kid=draw.choice(KIDS)))
    return found


def changed(draw: random.Random, iss: str, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The next key set: another one altogether, one key more or less, or another key under the same kid."""
    how = draw.random()
    if how < 0.2 or not before:
        return key_set(draw, iss)
    if how < 0.5:
        return [*before, key(iss, draw.randrange(KEYS), alg="ES256", kid=draw.choice(KIDS))]
    if how < 0.75 and len(before) > 1:
        return draw.sample(before, len(before) - 1)
    old = draw.choice(before)
    new = key(iss, draw.randrange(KEYS), **{name: old[name] for name in ("kid", "alg") if name in old})
    return [new if one is old else one for one in before]


def published(config: Config, others: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What each configured issuer publishes."""
    found = {}
    for issuer in config.issuer:
        found[issuer.issuer] = others[issuer.issuer] if issuer.jwks is None else issuer.jwks["keys"]
    return found


def config(draw: random.Random, limits: dict[str, int]) -> Config:
    """A configuration; no two issuers or resources need be the same as in the last."""
    issuers = draw.sample(ISSUERS, draw.choice((1, 2, 3, 3)))
    names = draw.sample(NAMES, draw.choice((2, 3, 3)))
    return Config.model_validate(
        {
            "store": {"url": "redis://127.0.0.1:1", "revocation_retention": "2h", "available_for": "10m"},
            "limits": limits,
            "issuer": [_issuer(draw, iss) for iss in issuers],
            "resource": {name: _resource(draw, name, issuers) for name in names},
        }
    )


def _issuer(draw: random.Random, iss: str) -> dict[str, Any]:
    table: dict[str, Any] = {
        "issuer": iss,
        "name": iss[8],
        "algorithms": draw.choices((["ES256"], ["RS256", "ES256"], ["ES256", "EdDSA"], ["RS256"]), (5, 5, 5, 1))[0],
        "leeway": draw.choice((0.0, 30.0)),
        "max_lifetime": draw.choices((600.0, 3600.0), (1, 5))[0],
        "typ": draw.choices(("optional", "required"), (5, 1))[0],
        "scope_claims": draw.choice((["scope", "scp"], ["scp"])),
        "role_claims": draw.choice((["roles"], ["roles", "realm_access.roles"])),
        "key_set_max_stale": draw.choice((900.0, 7200.0)),
    }
    if iss == INLINE:
        table["jwks"] = {"keys": key_set(draw, iss)}
    return table


def _resource(draw: random.Random, name: str, issuers: list[str]) -> dict[str, Any]:
    table: dict[str, Any] = {
        "identifier": f"https://{name}.example/",
        "scopes": draw.choice(([], [], ["read"])),
        "staleness": draw.choice(("strict", "strict", "available")),
        "rule": [draw.choice(RULES) for _ in range(draw.choice((0, 0, 1, 3)))],
        "enforce": draw.choice((True, True, True, "shadow")),
    }
    if draw.random() < 0.3:
        table["audience"] = draw.sample(AUDIENCES, draw.randint(1, 2))
    if draw.random() < 0.2:
        table["issuers"] = draw.sample(issuers, 1)
    if draw.random() < 0.15:
        table["max_lifetime"] = 1200.0
    return table


@dataclass(frozen=True)
class Token:
    """A token and what may be revoked of it."""

    text: bytes
    iss: str
    jti: str | None
    sub: str
    sid: str | None
    client: str | None
    ends: float
    thumbprint_of: int


def token(draw: random.Random, wall: float, known: dict[str, list[dict[str, Any]]]) -> Token:
    """A token that an issuer signs at this time; most are good for some resource now.  ``known``: ``published``."""
    iss = draw.choice(list(known) if draw.random() < 0.95 else ISSUERS)
    kid, number = _signer(draw, iss, known.get(iss, []))
    issued = int(wall) + draw.choice((-20, -20, -20, -300, 5, 25, 60))
    ends = issued + draw.choices((300, 600, 1800, 3500, 7200), (3, 3, 3, 6, 1))[0]
    sub, sid, client = draw.choice(SUBJECTS), draw.choice(SESSIONS), draw.choice(CLIENTS)
    jti = f"{draw.getrandbits(32):x}" if draw.random() < 0.7 else None
    said: dict[str, Any] = {"iss": iss, "sub": sub, "iat": issued, "exp": ends, "level": draw.choice((1, 2))}
    said |= {"aud": draw.choices((draw.choice(AUDIENCES), list(AUDIENCES), "elsewhere"), (4, 8, 1))[0]}
    said |= {draw.choice(("scope", "scp")): draw.choice(SCOPES)}
    optional = {"jti": jti, "sid": sid, "client_id": client, "roles": draw.choice(ROLES) or None}
    optional |= {"cnf": {"jkt": "x"} if draw.random() < 0.05 else None, "nbf": issued if draw.random() < 0.3 else None}
    optional |= {"exp": None} if draw.random() < 0.03 else {}
    said = {name: value for name, value in (said | optional).items() if value is not None}
    head: dict[str, Any] = {} if kid is None else {"kid": kid}
    head |= {"typ": draw.choices(("at+jwt", "JWT", "id"), (12, 3, 1))[0]} if draw.random() < 0.9 else {}
    text = jose.token("ES256", said, number=_number(iss, number), **head)
    return Token(_spoiled(draw, text), iss, jti, sub, sid, client, ends, number)


def _signer(draw: random.Random, iss: str, keys: list[dict[str, Any]]) -> tuple[str | None, int]:
    """kid and key: mostly such as the issuer publishes, with or without the kid; else any."""
    if keys and draw.random() < 0.85:
        chosen = draw.choice(keys)
        number = next((number for number in range(KEYS) if key(iss, number)["x"] == chosen["x"]), 0)
        return (None if draw.random() < 0.1 else chosen.get("kid")), number
    return draw.choice((*KIDS, None)), draw.randrange(KEYS)


def _spoiled(draw: random.Random, text: str) -> bytes:
    """Now and then one that is no good, whatever the configuration."""
    how = draw.random()
    if how < 0.05:
        head, payload, signature = text.split(".")
        octets = bytearray(urlsafe_b64decode(signature + "=="))
        octets[draw.randrange(64)] ^= 1
        text = f"{head}.{payload}.{jose.b64(bytes(octets))}"
    elif how < 0.08:
        text = text[: draw.randrange(1, len(text))]
    return text.encode()


def request(draw: random.Random, text: bytes | None) -> Request:
    """A gateway's question about a token."""
    headers: list[tuple[bytes, bytes]] = [] if text is None else [(b"Authorization", b"Bearer " + text)]
    if draw.random() < 0.05:
        headers.append((b"X-Auth-Subject", b"root"))
    if draw.random() < 0.05:
        headers += [(b"Origin", b"https://x.example"), (b"Access-Control-Request-Method", b"GET")]
    return view.of(
        draw.choice(METHODS) if draw.random() < 0.3 else "GET",
        draw.choice(PATHS) if draw.random() < 0.4 else b"/orders/1",
        "api.example",
        tuple(headers),
        trusted=draw.random() < 0.97,
        sees_all_headers=draw.random() < 0.5,
    )
