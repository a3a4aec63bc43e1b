"""``/.well-known/jwks.json``: the public keys of the signed identity, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import identity
from support.house import API, House, config

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "/.well-known/jwks.json"
RESOURCE = {"api": {"identifier": API, "gateway": ["forwarded", "envoy"], "forward_identity": "jwt"}}
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def made(tmp_path: Path, *pems: str, **more: Any) -> House:
    return House(config(tmp_path, identity=identity.table(*pems), resource=RESOURCE), tmp_path, **more)


async def test_every_key_is_there_with_its_name_and_algorithm_and_no_private_member(tmp_path: Path) -> None:
    pems = identity.pem(), identity.pem("RSA"), identity.pem("Ed25519"), identity.public_pem("P-256", 3)
    async with made(tmp_path, *pems) as house:
        reply = await house.ask(TARGET)
        assert reply.status == 200
        assert reply["Content-Type"] == "application/jwk-set+json"
        keys = reply.json()["keys"]
        assert [key["alg"] for key in keys] == ["ES256", "RS256", "EdDSA", "ES256"]
        assert len({key["kid"] for key in keys}) == 4
        for key in keys:
            assert not PRIVATE & key.keys()
            assert key["use"] == "sig"


async def test_whoever_has_it_is_told_so(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask(TARGET)
        tag = reply["ETag"]
        assert reply["Cache-Control"] == "public, max-age=300"
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = await house.ask(TARGET, ("If-None-Match", known))
            assert (again.status, again.body, again["ETag"]) == (304, b"", tag)
            assert again["Cache-Control"] == reply["Cache-Control"]
        for other in ('"x"', tag.strip('"'), ""):
            assert (await house.ask(TARGET, ("If-None-Match", other))).status == 200


async def test_head_says_what_get_would(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        got, asked = await house.ask(TARGET), await house.ask(TARGET, method="HEAD")
        assert asked.status == 200
        assert asked.body == b""
        for name in ("Content-Type", "ETag", "Cache-Control", "Content-Length"):
            assert asked[name] == got[name]


async def test_a_query_is_not_looked_at_and_nothing_below_it_is_there(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        assert (await house.ask(f"{TARGET}?x=1")).status == 200
        for target in (f"{TARGET}/", f"{TARGET}/x", "/.well-known/JWKS.json", "/.well-known//jwks.json", f"{TARGET};x"):
            assert (await house.ask(target)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_it_can_only_be_read(tmp_path: Path, method: str) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask(TARGET, method=method)
        assert (reply.status, reply["Allow"]) == (405, "GET, HEAD")


async def test_where_nothing_is_signed_it_is_not_there_whoever_asks_how(tmp_path: Path) -> None:
    async with House(config(tmp_path), tmp_path) as house:
        unknown = await house.ask("/.well-known/nothing.json")
        for method in ("GET", "POST"):
            reply = await house.ask(TARGET, method=method)
            assert (reply.status, reply.body) == (404, unknown.body)


async def test_the_way_through_the_lane_is_the_same(tmp_path: Path) -> None:
    async with made(tmp_path, lane=True) as house:
        plain = await house.ask(TARGET)
        house._wire, house.port = None, house.lane_port
        assert (await house.ask(TARGET)).body == plain.body


async def test_a_reload_brings_other_keys_and_another_tag(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        before = await house.ask(TARGET)
        table = identity.table(identity.pem("P-256", 1), identity.pem())
        await house.service.reload(config(tmp_path, identity=table, resource=RESOURCE))
        after = await house.ask(TARGET, ("If-None-Match", before["ETag"]))
        assert after.status == 200
        assert [key["kid"] for key in after.json()["keys"]][1:] == [key["kid"] for key in before.json()["keys"]]
        await house.service.reload(config(tmp_path))
        assert (await house.ask(TARGET)).status == 404
