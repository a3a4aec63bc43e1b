"""The development issuer: what an OAuth server publishes and answers, for programs on this machine only."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from stage import free_port
from support.keepers import Worker

from bearerd import jws
from bearerd.issuers import signing
from bearerd.issuers.development import DevelopmentIssuer, application, start
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.keys import Key

API = "https://api.test"


@contextlib.asynccontextmanager
async def serving(folder: Path, path: str = "") -> AsyncIterator[DevelopmentIssuer]:
    port = free_port()
    issuer = DevelopmentIssuer(folder, f"http://127.0.0.1:{port}{path}")
    runner = await start(issuer, "127.0.0.1", port)
    try:
        yield issuer
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="function")
async def server(tmp_path: Path) -> AsyncIterator[DevelopmentIssuer]:
    async with serving(tmp_path) as issuer:
        yield issuer


async def ask(url: str, form: Any = None, **headers: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session:
        call = session.get(url, headers=headers) if form is None else session.post(url, data=form, headers=headers)
        async with call as answer:
            body = await answer.read()
            return answer.status, json.loads(body) if answer.content_type == "application/json" else body


async def token(issuer: DevelopmentIssuer, *more: tuple[str, str], **fields: str) -> tuple[int, Any]:
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "x", "resource": API} | fields
    return await ask(f"{issuer.issuer}/token", [*form.items(), *more])


def payload(text: str) -> dict[str, Any]:
    return dict(jwt.decode(text, options={"verify_signature": False}))


@pytest.mark.parametrize("path", ["", "/realms/one"])
async def test_bearerd_finds_its_keys_and_verifies_its_tokens(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, path) as issuer:
        worker = Worker({"issuer": issuer.issuer, "insecure_issuer": True})
        for alg in signing.ALGORITHMS:
            status, answer = await token(issuer, alg=alg)
            assert status == 200
            kid = jwt.get_unverified_header(answer["access_token"])["kid"]
            assert isinstance(await worker.resolve(issuer.issuer, kid, ALGORITHMS[alg]), Key)
            jwk = next(jwk for jwk in issuer.jwks()["keys"] if jwk["kid"] == kid)
            assert json.loads(jws.verify(answer["access_token"], jwk, [alg]).payload)["iss"] == issuer.issuer


async def test_a_token_says_what_was_asked_for(server: DevelopmentIssuer) -> None:
    status, answer = await token(server, scope="read write", lifetime="60", sub="alice", roles="admin dev")
    assert status == 200
    claims = payload(answer["access_token"])
    assert (claims["aud"], claims["scope"], claims["sub"], claims["client_id"]) == (API, "read write", "alice", "app")
    assert claims["exp"] - claims["iat"] == 60
    assert claims["roles"] == ["admin", "dev"]
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "at+jwt"
    assert {name: answer[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "read write",
    }


async def test_several_resources_are_several_audiences(server: DevelopmentIssuer) -> None:
    _, answer = await token(server, ("resource", "https://b.test"))
    assert payload(answer["access_token"])["aud"] == [API, "https://b.test"]


async def test_a_client_may_use_basic_authentication(server: DevelopmentIssuer) -> None:
    form = {"grant_type": "client_credentials", "resource": API}
    basic = "Basic " + base64.b64encode(b"my%20app:secret").decode()
    _, answer = await ask(f"{server.issuer}/token", form, Authorization=basic)
    assert payload(answer["access_token"])["client_id"] == "my app"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"alg": "none"}, 400, "invalid_request"),
        ({"lifetime": "-5"}, 400, "invalid_request"),
        ({"lifetime": "86401"}, 400, "invalid_request"),
        ({"lifetime": "0" * 9 + "9" * 9}, 400, "invalid_request"),
    ],
)
async def test_requests_that_oauth_refuses(
    server: DevelopmentIssuer, fields: dict[str, str], status: int, error: str
) -> None:
    answered, answer = await token(server, **fields)
    assert (answered, answer["error"]) == (status, error)


async def test_a_token_needs_a_resource_and_single_parameters(server: DevelopmentIssuer) -> None:
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "x"}
    assert (await ask(f"{server.issuer}/token", form))[1]["error"] == "invalid_target"
    assert (await token(server, ("scope", "a"), ("scope", "b")))[1]["error"] == "invalid_request"
    bad = {"Authorization": "Basic !!!"}
    assert (await ask(f"{server.issuer}/token", form | {"resource": API}, **bad))[1]["error"] == "invalid_client"


@pytest.mark.parametrize(("overlap", "old_stays"), [("true", True), ("false", False)])
async def test_a_rotation_signs_with_new_keys_and_keeps_the_old_with_overlap(
    server: DevelopmentIssuer, overlap: str, old_stays: bool
) -> None:
    old = {jwk["kid"] for jwk in server.jwks()["keys"]}
    status, answer = await ask(f"{server.issuer}/rotate", {"overlap": overlap})
    assert status == 200
    _, published = await ask(f"{server.issuer}/jwks")
    now = {jwk["kid"] for jwk in published["keys"]}
    assert set(answer["kids"].values()) <= now
    assert (old <= now) is old_stays
    assert jwt.get_unverified_header(server.mint())["kid"] not in old


async def test_retired_keys_do_not_pile_up(server: DevelopmentIssuer) -> None:
    for _ in range(5):
        server.rotate()
    assert len(server.jwks()["keys"]) == 3 + signing.MOST_RETIRED


def test_keys_survive_a_restart_in_a_file_for_the_owner_only(tmp_path: Path) -> None:
    before = DevelopmentIssuer(tmp_path, "http://127.0.0.1:1")
    before.rotate()
    after = DevelopmentIssuer(tmp_path, "http://127.0.0.1:1")
    assert after.jwks() == before.jwks()
    assert (tmp_path / signing.FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [signing.FILE]


def test_no_private_member_is_published(tmp_path: Path) -> None:
    issuer = DevelopmentIssuer(tmp_path, "http://127.0.0.1:1")
    issuer.rotate()
    for jwk in issuer.jwks()["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(jwk)
    assert "PRIVATE" not in repr(issuer._keys.current)


def test_a_minted_token_can_lack_or_carry_anything(tmp_path: Path) -> None:
    issuer = DevelopmentIssuer(tmp_path, "http://127.0.0.1:1")
    text = issuer.mint({"jti": None, "aud": API, "iss": "https://evil.test"}, lifetime=-10, header={"kid": None})
    claims = payload(text)
    assert "jti" not in claims
    assert claims["iss"] == "https://evil.test"
    assert claims["exp"] < claims["iat"]
    assert "kid" not in json.loads(base64.urlsafe_b64decode(text.split(".")[0] + "=="))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Host": "evil.test"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_web_pages_get_nothing(server: DevelopmentIssuer, headers: dict[str, str], status: int) -> None:
    assert (await ask(f"{server.issuer}/jwks", **headers))[0] == status


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.com"])
async def test_it_listens_on_loopback_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await start(DevelopmentIssuer(tmp_path, "http://127.0.0.1:1"), host, 0)


async def test_whoever_is_not_on_this_machine_gets_nothing(tmp_path: Path) -> None:
    app = application(DevelopmentIssuer(tmp_path, "http://127.0.0.1:1"))
    (middleware,) = app.middlewares

    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    for peer, good in (("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("", False)):
        transport = mock.Mock()
        transport.get_extra_info.side_effect = lambda name, default=None, peer=peer: {"peername": (peer, 1)}.get(
            name, default
        )
        request = make_mocked_request("GET", "/jwks", headers={"Host": "localhost"}, transport=transport)
        if good:
            await middleware(request, handler)
        else:
            with pytest.raises(web.HTTPForbidden):
                await middleware(request, handler)
