"""aiohttp's middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from adapters.scene import file
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from support.house import token

import bearerd
from bearerd.adapters import aiohttp

if TYPE_CHECKING:
    from pathlib import Path


async def order(request: web.Request) -> web.Response:
    said = {"path": request.match_info["name"], "body": await request.text()}
    said["subject"] = request.headers.get("X-Auth-Subject", "")
    return web.json_response(said | {"claims": request[aiohttp.DECISION].claims["sub"]})


async def test_an_application_is_decided_by_its_resource_for_as_long_as_it_lives(tmp_path: Path) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path))
    app = web.Application()
    app.router.add_route("*", "/orders/{name}", order)
    aiohttp.setup(app, verifier, resource="api")
    async with TestClient(TestServer(app)) as client:
        assert verifier.running
        good = {"Authorization": f"Bearer {token()}"}
        answer = await client.post("/orders/7?x=1", headers=good, data=b"two crates")
        assert await answer.json() == {"path": "7", "body": "two crates", "subject": "alice", "claims": "alice"}
        refused = await client.get("/orders/7")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="api"')
        assert (await refused.json(content_type=None))["status"] == 401
        assert (await client.get("/orders/7", headers={"Authorization": f"Bearer {token(scope='x')}"})).status == 403
        assert (await client.delete("/orders/7", headers=good)).status == 403
        assert (await client.get("/orders/7", headers=good | {"X.Auth.Subject": "root"})).status == 403
        described = await client.get("/.well-known/oauth-protected-resource", headers={"Host": "api.example"})
        assert (await described.json())["resource"] == "https://api.example/"
    assert not verifier.running


async def test_a_verifier_that_the_program_runs_is_only_used(tmp_path: Path) -> None:
    async with bearerd.Verifier.from_config(file(tmp_path)) as verifier:
        app = web.Application()
        app.router.add_get("/orders/{name}", order)
        aiohttp.setup(app, verifier, resource="api")
        async with TestClient(TestServer(app)) as client:
            assert (await client.get("/orders/7", headers={"Authorization": f"Bearer {token()}"})).status == 200
        assert verifier.running


def test_an_mcp_server_is_none_of_its_applications(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"bearerd\.adapters\.asgi"):
        aiohttp.setup(web.Application(), bearerd.Verifier.from_config(file(tmp_path)), resource="notes")


async def test_nothing_passes_while_the_verifier_does_not_run(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get("/orders/{name}", order)
    aiohttp.setup(app, bearerd.Verifier.from_config(file(tmp_path)), resource="api")
    app.cleanup_ctx.clear()
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/orders/7", headers={"Authorization": f"Bearer {token()}"})).status == 503
