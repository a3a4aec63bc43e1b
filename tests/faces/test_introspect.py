"""``POST /introspect`` (RFC 7662): active for the caller's resources, or nothing at all."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from support.house import API, ISS, SECRET, House, config, issuer, token

from bearerd import metrics
from bearerd._native.revocations import FOREVER, pack
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "https://other.example"
RESOURCES = {
    "api": {"identifier": API, "gateway": "envoy", "rule": [{"path": "/**", "scopes": ["admin"]}]},
    "second": {"identifier": "https://second.example/v2", "audience": ["urn:second", "urn:both"], "max_lifetime": "1h"},
    "third": {"audience": ["urn:third", "urn:both"]},
    "foreign": {"identifier": OTHER},
}
CALLERS = (
    {"name": "svc", "resources": ["api", "second", "third"]},
    {"name": "one", "resources": ["third"], "may": ["introspect"]},
    {"name": "revoker", "may": ["revoke"]},
)
FORM = "application/x-www-form-urlencoded"


def made(tmp_path: Path, **tables: Any) -> House:
    fresh = tables.pop("fresh", True)
    return House(config(tmp_path, callers=CALLERS, **({"resource": RESOURCES} | tables)), tmp_path, fresh=fresh)


async def test_an_active_token_is_described_in_the_types_that_clients_compare(tmp_path: Path) -> None:
    now = int(time.time())
    given = token(
        aud=["urn:else", API],
        iat=now - 5,
        nbf=now - 5,
        exp=now + 60.5,
        cnf={"jkt": "abc"},
        act={"sub": "agent"},
        email="a@b",
    )
    async with made(tmp_path) as house:
        reply = await house.post("/introspect", token=given)
        assert reply.status == 200
        assert reply["Cache-Control"] == "no-store"
        assert reply["Content-Type"] == "application/json"
        assert reply.json() == {
            "active": True,
            "iss": ISS,
            "aud": API,
            "sub": "alice",
            "client_id": "app",
            "scope": "read write",
            "token_type": "DPoP",
            "exp": now + 60.5,
            "iat": now - 5,
            "nbf": now - 5,
            "jti": "t1",
            "cnf": {"jkt": "abc"},
            "act": {"sub": "agent"},
        }


@pytest.mark.parametrize(
    ("audience", "spoken"),
    [
        (API, API),
        ("urn:second", "https://second.example/v2"),
        ("urn:third", "urn:third"),
        ("urn:both", "https://second.example/v2"),
    ],
)
async def test_aud_is_the_first_resource_of_the_callers_list_that_fits(
    tmp_path: Path, audience: str, spoken: str
) -> None:
    async with made(tmp_path) as house:
        assert (await house.post("/introspect", token=token(aud=audience))).json()["aud"] == spoken


async def test_what_a_token_lacks_is_left_out(tmp_path: Path) -> None:
    bare = token(sub=..., scope=..., jti=..., client_id=...)
    async with made(tmp_path) as house:
        found = (await house.post("/introspect", token=bare)).json()
        assert found.keys() == {"active", "iss", "aud", "token_type", "exp", "iat"}
        assert found["token_type"] == "Bearer"


def bad_tokens() -> dict[str, str]:
    now = int(time.time())
    return {
        "rubbish": "rubbish",
        "not base64url": "ä ö",
        "too large": token(padding="x" * 9000),
        "another key": token(number=1),
        "expired": token(iat=now - 900, exp=now - 300),
        "another's": token(aud=OTHER),
        "nobody's": token(aud=...),
        "unknown issuer": token(iss=OTHER),
        "too long-lived for the resource": token(aud="urn:second", exp=now + 2 * 3600),
        "ID token": token(at_hash="x"),
        "surrogate": "\ufffd",
    }


@pytest.mark.parametrize("name", bad_tokens())
async def test_anything_else_is_inactive_word_for_word(tmp_path: Path, name: str) -> None:
    async with made(tmp_path) as house:
        reply = await house.post("/introspect", token=bad_tokens()[name], token_type_hint="refresh_token")
        assert (reply.status, reply.body) == (200, b'{"active":false}')
        assert [header for header, _ in reply.headers if header != "Date"] == [
            "Server",
            "Cache-Control",
            "Content-Type",
            "Content-Length",
        ]


async def test_a_caller_learns_nothing_of_tokens_for_others(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        assert (await house.post("/introspect", user="one", token=token())).json() == {"active": False}
        assert (await house.post("/introspect", user="one", token=token(aud="urn:third"))).json()["active"] is True


async def test_a_revoked_token_is_inactive_at_once(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        assert (await house.post("/introspect", token=token())).json()["active"] is True
        key = entries.key(Kind.CLIENT, ISS, "app")
        house.service.view.table.apply(pack(key, FOREVER, FOREVER, 1), int(time.time()))
        assert (await house.post("/introspect", token=token())).json() == {"active": False}


async def test_rules_are_not_judged(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        assert (await house.post("/introspect", token=token(scope=...))).json()["active"] is True


async def test_a_stale_view_is_503_and_never_active(tmp_path: Path) -> None:
    async with made(tmp_path, fresh=False) as house:
        reply = await house.post("/introspect", token=token())
        assert (reply.status, reply.json(), reply["Retry-After"]) == (503, {"error": "temporarily_unavailable"}, "1")
        assert house.why(reply) == "stale_state"
        # What can be known is said all the same.
        assert (await house.post("/introspect", token="rubbish")).json() == {"active": False}


async def test_an_issuer_whose_keys_are_away_is_503(tmp_path: Path) -> None:
    nowhere = issuer(jwks=None, jwks_uri="http://127.0.0.1:1/jwks", insecure_issuer=True)
    async with made(tmp_path, issuer=[nowhere]) as house:
        await house.service.start()
        reply = await house.post("/introspect", token=token())
        assert (reply.status, house.why(reply)) == (503, "issuer_unavailable")


async def test_a_fault_of_ours_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with made(tmp_path) as house:
        monkeypatch.setattr(type(house.service.current.verifier), "verify_now", lambda *args: 1 // 0)
        reply = await house.post("/introspect", token=token())
        assert (reply.status, house.why(reply)) == (503, "internal_error")


async def test_basic_and_body_both_authenticate(tmp_path: Path) -> None:
    basic = ("Authorization", "Basic " + base64.b64encode(f"svc:{SECRET}".encode()).decode())
    body = urlencode({"token": token()}).encode()
    async with made(tmp_path) as house:
        reply = await house.ask("/introspect", basic, ("Content-Type", FORM), method="POST", body=body)
        assert reply.json()["active"] is True
        assert (await house.post("/introspect", token=token())).json()["active"] is True


@pytest.mark.parametrize(
    ("fields", "status", "why", "error"),
    [
        ({"user": None}, 401, "invalid_client", "invalid_client"),
        ({"user": "nobody"}, 401, "invalid_client", "invalid_client"),
        ({"secret": "wrong"}, 401, "invalid_client", "invalid_client"),
        ({"user": "revoker"}, 403, "forbidden", "unauthorized_client"),
        ({"token": ""}, 400, "bad_request", "invalid_request"),
    ],
)
async def test_a_caller_that_may_not_ask_gets_an_oauth_error(
    tmp_path: Path, fields: dict[str, Any], status: int, why: str, error: str
) -> None:
    async with made(tmp_path) as house:
        reply = await house.post("/introspect", **({"token": token()} | fields))
        assert (reply.status, house.why(reply), reply.json()) == (status, why, {"error": error})
        assert bool(reply.all("WWW-Authenticate")) == (status == 401)
        entry = house.service.recorder.ring.find(reply["X-Auth-Request-Id"])
        assert entry is not None
        assert entry.get("caller") == (None if status == 401 else fields.get("user", "svc"))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("Content-Type", "application/json")], b"{}"),
        ([], b"token=x"),
        ([("Content-Type", FORM), ("Content-Encoding", "gzip")], b"token=x"),
        ([("Content-Type", FORM)], b"token=x&token=y"),
        ([("Content-Type", FORM)], b"token=%zz"),
        ([("Content-Type", FORM)], b"token=" + b"x" * 70_000),
    ],
    ids=["JSON", "no type", "encoded", "twice", "bad percent", "too long"],
)
async def test_what_is_not_the_form_is_a_bad_request(
    tmp_path: Path, headers: list[tuple[str, str]], body: bytes
) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask("/introspect", *headers, method="POST", body=body)
        assert (reply.status, house.why(reply), reply.json()) == (400, "bad_request", {"error": "invalid_request"})


async def test_a_chunked_body_is_bounded_too(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        wire = await house.wire()
        await wire.send(
            b"POST /introspect HTTP/1.1\r\nHost: x\r\nContent-Type: "
            + FORM.encode()
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(80):
            await wire.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        assert (await wire.read()).status == 400
        await wire.close()


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bearerd.faces.form.BODY_SECONDS", 0.02)
    async with made(tmp_path) as house:
        wire = await house.wire()
        await wire.send(
            b"POST /introspect HTTP/1.1\r\nHost: x\r\nContent-Type: "
            + FORM.encode()
            + b"\r\nContent-Length: 9\r\n\r\ntok"
        )
        reply = await wire.read()
        assert (reply.status, house.why(reply)) == (400, "bad_request")
        await wire.close()


async def test_a_client_that_waits_for_100_continue_gets_it(tmp_path: Path) -> None:
    body = urlencode({"client_id": "svc", "client_secret": SECRET, "token": token()}).encode()
    async with made(tmp_path) as house:
        wire = await house.wire()
        await wire.send(
            b"POST /introspect HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: "
            + FORM.encode()
            + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        seen = await wire._reader.readuntil(b"\r\n\r\n")
        assert seen == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(body)
        assert (await wire.read()).json()["active"] is True
        await wire.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_only_post(tmp_path: Path, method: str) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask("/introspect?token=x", method=method)
        assert (reply.status, reply["Allow"]) == (405, "POST")


async def test_each_answer_is_counted_under_its_resource(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        await house.post("/introspect", token=token())
        await house.post("/introspect", token=token(aud=OTHER))
        await house.post("/introspect", secret="wrong", token=token())
        found = metrics.gather([house.service.metrics.buffer])
        name = "bearerd_decisions_total"
        assert found[(name, "api", "introspect", "allow", "none")] == (1.0,)
        assert found[(name, "api", "introspect", "challenge", "wrong_audience")] == (1.0,)
        assert found[(name, "-", "introspect", "challenge", "invalid_client")] == (1.0,)
