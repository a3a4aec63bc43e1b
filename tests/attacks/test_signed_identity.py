"""A signed identity is good for its upstream and for nothing else, and only bearerd can make one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from support import identity, jose
from support.house import API, House, config, issuer, token

from bearerd.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "X-Auth-Identity"
SPELLINGS = ("X-Auth-Identity", "x-auth-identity", "X_Auth_Identity", "X.Auth.Identity", "X~auth~identity")


def tables(mode: str = "jwt", **resource: Any) -> dict[str, Any]:
    table = {"identifier": API, "gateway": ["forwarded", "envoy"], "forward_identity": mode}
    return {"identity": identity.table(), "resource": {"api": table | resource}}


async def signed(house: House, **claims: Any) -> str:
    reply = await house.auth(token(**claims))
    assert reply.status == 200
    return reply[HEADER]


async def test_bearerd_takes_it_for_no_token(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        reply = await house.auth(await signed(house))
        assert (reply.status, house.why(reply)) == (401, "unknown_issuer")


async def test_another_bearerd_that_believes_this_one_s_keys_takes_it_for_no_token(tmp_path: Path) -> None:
    """Somebody has configured the key set as an issuer's: its type alone says that it is none."""
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        value, published = await signed(house), (await house.ask("/.well-known/jwks.json")).json()
    believing = issuer(issuer=identity.NAME, name="gateway", jwks=published)
    made = config(tmp_path, issuer=[believing], callers=({"name": "svc"},))
    async with House(made, tmp_path) as other:
        for reply in (
            await other.auth(value),
            await other.ask("/ext_authz/api/", ("Authorization", f"Bearer {value}")),
        ):
            assert (reply.status, other.why(reply)) == (401, "wrong_type")
        assert (await other.post("/introspect", token=value)).json() == {"active": False}


@pytest.mark.parametrize("mode", ["headers", "jwt", "both"])
@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_client_s_own_is_refused_where_it_is_seen(tmp_path: Path, name: str, mode: str) -> None:
    async with House(config(tmp_path, **tables(mode)), tmp_path) as house:
        good = ("Authorization", f"Bearer {token()}")
        reply = await house.ask("/ext_authz/api/x", good, (name, "forged"))
        assert (reply.status, house.why(reply)) == (403, "forbidden")


@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_shadow_resource_has_a_client_s_own_taken_away(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path, **tables(enforce="shadow")), tmp_path) as house:
        reply = await house.ask("/ext_authz/api/x", (name, "forged"))
        taken = (reply.get("X-Envoy-Auth-Headers-To-Remove") or "").split(",")
        assert (reply.status, reply[HEADER]) == (200, "")
        assert name.lower() in {HEADER.lower(), *taken}


async def test_what_is_signed_without_the_key_does_not_verify(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        good, published = await signed(house), (await house.ask("/.well-known/jwks.json")).json()
    head, body, _ = good.split(".")
    claims = identity.read(good, published, API)
    kid = jwt.get_unverified_header(good)["kid"]
    forged = {
        "another's claims": f"{head}.{jose.b64(json.dumps(claims | {'sub': 'root'}).encode())}.{good.split('.')[2]}",
        "another key": jose.token("ES256", claims, number=9, kid=kid, typ=identity.TYPE),
        "no signature": f"{head}.{body}.",
        "the public key as a secret": jose.compact(
            {"alg": "HS256", "kid": kid, "typ": identity.TYPE}, claims, "HS256", identity.public_pem().encode()
        ),
    }
    for what, value in forged.items():
        with pytest.raises((jwt.PyJWTError, TypeError, ValueError)):
            pytest.fail(f"{what}: {identity.read(value, published, API)}")


async def test_a_client_s_access_token_is_no_identity(tmp_path: Path) -> None:
    """The same audience, and one that bearerd itself allows."""
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        published = (await house.ask("/.well-known/jwks.json")).json()
        with pytest.raises((AssertionError, KeyError)):
            identity.read(token(), published, API)


async def test_whatever_a_token_claims_of_its_own_the_identity_s_own_claims_stand(tmp_path: Path) -> None:
    plan = {"X-Auth-Subject": "sub", "X-A": "iss", "X-B": "aud", "X-C": "exp", "X-D": "orig_iss", "X-E": "claims"}
    async with House(config(tmp_path, **tables(identity=plan)), tmp_path) as house:
        published = (await house.ask("/.well-known/jwks.json")).json()
        odd = {"orig_iss": "https://forged.example", "claims": {"sub": "root"}, "token_id": "x", "client_id": "a\r\nb"}
        claims = identity.read(await signed(house, **odd), published, API)
        assert (claims["iss"], claims["aud"], claims["sub"]) == (identity.NAME, API, "alice")
        assert claims["orig_iss"] == "https://issuer.example"
        assert claims["token_id"] != "x"
        assert claims["exp"] <= time.time() + 60
        assert claims["claims"] == {"aud": API, "exp": claims["claims"]["exp"]} | {
            "orig_iss": "https://forged.example", "claims": {"sub": "root"}
        }  # fmt: skip


async def test_explain_does_not_show_it(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables("both")), tmp_path) as house:
        told = await explain(house.service, token().encode(), "api", "GET", "/")
        assert told.decision.allowed
        shown = told.as_dict()["headers"]
        assert (shown[HEADER], shown["X-Auth-Subject"]) == ("[redacted]", "alice")
        value = dict(told.decision.headers_add)[HEADER]
        assert value not in json.dumps(told.as_dict())


async def test_no_line_and_no_record_holds_it(tmp_path: Path) -> None:
    made = config(tmp_path, server={"profile": "development", "log_allows": 1.0}, **tables())
    async with House(made, tmp_path) as house:
        lines: list[Any] = []
        recorder = house.service.recorder
        recorder.write = lambda record: lines.append(record.line(recorder.subject))
        value = await signed(house)
        assert lines
        assert not [line for line in lines if value[:40] in repr(line) or value.split(".")[2] in repr(line)]
