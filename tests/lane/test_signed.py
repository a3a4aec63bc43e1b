"""The signed identity by the lane: the same as by aiohttp, given from memory, and never longer than it is any good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest
from support import identity
from support.house import API, House, config, token
from support.wire import Wire

from bearerd._native.revocations import FOREVER, pack
from bearerd.store import entries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.wire import Reply

    from bearerd.decision import Reuse

RULES = [{"path": "/a", "scopes": ["read"]}, {"path": "/b", "scopes": ["write"]}, {"path": "/open", "auth": "none"}]
HEADER = "X-Auth-Identity"


def tables(*pems: str, mode: str = "both", **more: Any) -> dict[str, Any]:
    table = {"identifier": API, "gateway": ["nginx", "envoy"], "forward_identity": mode, "rule": RULES}
    return {"identity": identity.table(*pems), "resource": {"api": table | more}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(config(tmp_path, **tables()), tmp_path, lane=True) as made:
        yield made


async def ask(house: House, bearer: str | None, path: str = "/a", *, plain: bool = False, face: str = "nginx") -> Reply:
    wire = await Wire.to(house.port if plain else house.lane_port)
    headers = [] if bearer is None else [("Authorization", f"Bearer {bearer}")]
    if face == "envoy":
        reply = await wire.ask(f"/ext_authz/api{path}", *headers)
    else:
        reply = await wire.ask("/auth/api", ("X-Original-Method", "GET"), ("X-Original-URI", path), *headers)
    await wire.close()
    return reply


def signatures(house: House) -> int:
    signatory = house.service.current.policy.signatory
    assert signatory is not None
    return signatory.signatures


def counted(house: House) -> list[Any]:
    """What the clerk is asked from now on."""
    asked: list[Any] = []
    attempt = house.clerk._decided
    house.clerk._decided = lambda ask, *given: (asked.append(ask), attempt(ask, *given))[1]  # type: ignore[method-assign]
    return asked


async def test_lane_and_aiohttp_give_the_very_same_at_every_face_and_rule(house: House) -> None:
    good = token()
    replies = [
        await ask(house, good, path, plain=plain, face=face)
        for path in ("/a", "/b")
        for plain in (False, True)
        for face in ("nginx", "envoy")
        for _ in range(2)
    ]
    assert {reply.status for reply in replies} == {200}
    assert len({reply[HEADER] for reply in replies}) == 1
    assert {reply["X-Auth-Subject"] for reply in replies} == {"alice"}
    assert signatures(house) == 1


async def test_two_houses_with_one_key_say_the_same_by_lane_and_by_aiohttp(tmp_path: Path) -> None:
    made = config(tmp_path, **tables(identity.pem("Ed25519")))
    good = token(sub='a,b %"é', roles=["x"])
    said = []
    for laned in (True, False):
        async with House(made, tmp_path, lane=True) as house:
            published = (await house.ask("/.well-known/jwks.json")).json()
            reply = await ask(house, good, plain=not laned)
            claims = identity.read(reply[HEADER], published, API)
            said.append({name: value for name, value in claims.items() if name not in ("iat", "exp")})
    assert said[0] == said[1]
    assert said[0]["sub"] == 'a,b %"é'


async def test_a_known_token_s_identity_is_given_without_python_and_without_a_signature(house: House) -> None:
    good = token()
    first = await ask(house, good)
    asked = counted(house)
    for _ in range(5):
        assert (await ask(house, good))[HEADER] == first[HEADER]
    assert asked == []
    assert signatures(house) == 1


async def test_what_the_lane_may_give_again_ends_with_the_half_of_the_identity(house: House) -> None:
    reuses: list[Reuse] = []
    prepare = house.clerk._prepare

    def noted(connection: Any, ask: Any, reuse: Reuse, head: bytes) -> None:
        reuses.append(reuse)
        prepare(connection, ask, reuse, head)

    house.clerk._prepare = noted  # type: ignore[method-assign]
    claims = jwt.decode((await ask(house, token()))[HEADER], options={"verify_signature": False})
    (reuse,) = reuses
    assert claims["exp"] - reuse.until_wall == pytest.approx(30, abs=0.01)
    at = house.service.time.now()
    assert reuse.until_boot - at.boot == pytest.approx(reuse.until_wall - at.wall, abs=0.01)
    asked = counted(house)
    anchor = house.service.time.anchor
    anchor.latest += 31  # by the latest time that it may be, half of it is over
    assert (await ask(house, token())).status == 200
    assert len(asked) == 1


async def test_a_revoked_token_gets_none_at_once(house: House) -> None:
    good = token(jti="gone")
    assert (await ask(house, good))[HEADER]
    entry = pack(entries.key(entries.Kind.TOKEN, "https://issuer.example", "gone"), FOREVER, FOREVER, 1)
    house.service.view.table.apply(entry, house.service.time.forgetting())
    for plain in (False, True):
        reply = await ask(house, good, plain=plain)
        assert (reply.status, reply.get(HEADER)) == (401, None)
    assert signatures(house) == 1


async def test_after_a_reload_the_new_key_signs_at_once(house: House, tmp_path: Path) -> None:
    good = token()
    before = await ask(house, good)
    assert (await ask(house, good))[HEADER] == before[HEADER]
    new = tables(identity.pem("P-256", 1), identity.pem())
    await house.service.reload(config(tmp_path, **new))
    published = (await house.ask("/.well-known/jwks.json")).json()
    after = await ask(house, good)
    assert jwt.get_unverified_header(after[HEADER])["kid"] == published["keys"][0]["kid"]
    for reply in (before, after):  # what is under way still verifies
        assert identity.read(reply[HEADER], published, API)["sub"] == "alice"


async def test_an_open_path_has_an_empty_one_by_either_way(house: House) -> None:
    for plain in (False, True):
        for face in ("nginx", "envoy"):
            for bearer in (None, token()):
                assert (await ask(house, bearer, "/open", plain=plain, face=face))[HEADER] == ""
    assert signatures(house) == 0


async def test_a_key_that_fails_lets_nobody_through(house: House) -> None:
    class Broken:
        alg = "ES256"

        def sign(self, data: bytes) -> bytes:
            raise RuntimeError("the key is gone")

    signatory = house.service.current.policy.signatory
    assert signatory is not None
    signatory._key = Broken()  # type: ignore[assignment]
    for plain in (False, True):
        reply = await ask(house, token(), plain=plain)
        assert (reply.status, reply.get(HEADER), reply.get("X-Auth-Subject")) == (503, None, None)
