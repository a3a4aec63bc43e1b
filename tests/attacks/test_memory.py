"""What was true once is not true for ever, nor elsewhere: known tokens after a reload, a rotation, a revocation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, ISS, House, config, issuer, key, token

from bearerd._native.revocations import FOREVER, pack
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "https://other.example"
RESOURCE = {"identifier": API, "gateway": "forwarded"}
EMPTY = {"keys": [key(7, "k7")]}


RELOADS: dict[str, dict[str, Any]] = {
    "its issuer is gone": {"issuer": [issuer(issuer=OTHER)]},
    "its issuer stands at another's place": {"issuer": [issuer(issuer=OTHER, name="other"), issuer(jwks=EMPTY)]},
    "its key is gone": {"issuer": [issuer(jwks=EMPTY)]},
    "its kid names another key": {"issuer": [issuer(jwks={"keys": [key(7, "k1")]})]},
    "its algorithm is gone": {"issuer": [issuer(algorithms=["EdDSA", "ES384"])]},
    "its lifetime is too long": {"issuer": [issuer(max_lifetime="5m")]},
    "its type is not enough": {"issuer": [issuer(rfc9068=True)], "header": {"typ": "JWT"}},
    "its resource has another audience": {"resource": {"api": RESOURCE | {"audience": ["urn:other"]}}},
    "its resource has other issuers": {
        "issuer": [issuer(), issuer(issuer=OTHER, name="other")],
        "resource": {"api": RESOURCE | {"issuers": [OTHER]}},
    },
    "its resource wants another scope": {"resource": {"api": RESOURCE | {"scopes": ["admin"]}}},
    "its resource is gone": {"resource": {"else": RESOURCE}},
}


@pytest.mark.parametrize("name", RELOADS)
async def test_a_known_token_is_judged_by_the_configuration_in_use(tmp_path: Path, name: str) -> None:
    tables = dict(RELOADS[name])
    good = token(header=tables.pop("header", None))
    before = config(tmp_path, resource={"api": RESOURCE})
    async with House(before, tmp_path) as house:
        assert [(await house.auth(good)).status for _ in range(2)] == [200, 200]
        await house.service.reload(config(tmp_path, **({"resource": {"api": RESOURCE}} | tables)))
        assert [(await house.auth(good)).status >= 400 for _ in range(2)] == [True, True]
        await house.service.reload(before)
        assert (await house.auth(good)).status == 200


async def test_a_refused_token_is_judged_anew_by_another_configuration(tmp_path: Path) -> None:
    strange = token(number=3)
    async with House(config(tmp_path), tmp_path) as house:
        assert [(await house.auth(strange)).status for _ in range(2)] == [401, 401]
        await house.service.reload(config(tmp_path, issuer=[issuer(jwks={"keys": [key(3)]})]))
        assert (await house.auth(strange)).status == 200


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_known_token_is_refused_from_the_entry_on_and_allowed_after_its_lift(
    tmp_path: Path, kind: Kind
) -> None:
    good = token(sid="s1")
    async with House(config(tmp_path), tmp_path) as house:
        assert (await house.auth(good)).status == 200
        (issuer_of,) = house.service.current.issuers
        assert issuer_of.key_set is not None
        value = {
            Kind.TOKEN: "t1",
            Kind.SUBJECT: "alice",
            Kind.SESSION: "s1",
            Kind.CLIENT: "app",
            Kind.KEY: issuer_of.key_set.keys[0].thumbprint,
            Kind.ISSUER: "",
        }[kind]
        now, found = int(time.time()), entries.key(kind, ISS, value)
        table = house.service.view.table
        table.apply(pack(entries.key(kind, OTHER, value), FOREVER, now + 3600, 1), now)
        assert (await house.auth(good)).status == 200
        table.apply(pack(found, FOREVER, now + 3600, 2), now)
        assert [(await house.auth(good)).status for _ in range(2)] == [401, 401]
        table.apply(pack(found, 0, now + 3600, 3), now)
        assert (await house.auth(good)).status == 200


async def test_a_token_known_at_one_resource_gains_nothing_at_another(tmp_path: Path) -> None:
    resources = {
        "api": RESOURCE,
        "admin": {"audience": [API], "gateway": "forwarded", "scopes": ["admin"]},
        "else": {"identifier": "https://else.example", "gateway": "forwarded"},
        "short": {"audience": [API], "gateway": "forwarded", "max_lifetime": "1m"},
    }
    async with House(config(tmp_path, resource=resources), tmp_path) as house:
        found = [(await house.auth(token(), name=name)).status for name in ("api", "admin", "else", "short", "api")]
        assert found == [200, 403, 401, 401, 200]


async def test_a_cache_that_is_full_allows_and_refuses_the_same(tmp_path: Path) -> None:
    made = config(tmp_path, limits={"token_cache_entries": 1, "refused_tokens": 1})
    async with House(made, tmp_path) as house:
        for _ in range(2):
            for number in range(20):
                reply = await house.auth(token(sub=f"user{number}"))
                assert (reply.status, reply["X-Auth-Subject"]) == (200, f"user{number}")
                assert (await house.auth(token(number=1, sub=f"user{number}"))).status == 401
