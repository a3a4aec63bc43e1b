"""``/ext_authz/NAME/…``: Envoy asks with the request itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

RULES = (
    {"path": "/health", "auth": "none"},
    {"methods": ["GET"], "path": "/orders/**", "scopes": ["read"]},
    {"methods": ["POST"], "path": "/orders/**", "scopes": ["admin"]},
)
GOOD = ("Authorization", f"Bearer {token()}")


def tables(**resource: Any) -> dict[str, Any]:
    return {"resource": {"api": {"identifier": API, "gateway": "envoy", "rule": RULES} | resource}}


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        ("GET", "/orders/1", 200, None),
        ("HEAD", "/orders/1?x=y", 200, None),
        ("POST", "/orders/1", 403, "insufficient_scope"),
        ("PUT", "/orders/1", 403, "forbidden"),
        ("GET", "/", 403, "forbidden"),
        ("GET", "/health", 200, None),
        ("GET", "", 403, "ambiguous_path"),
        ("GET", "?x", 403, "ambiguous_path"),
        ("GET", "/orders/%2e%2e/health", 403, "ambiguous_path"),
        ("GET", "//health", 403, "ambiguous_path"),
        ("GET", "/orders/1?access_token=x", 400, "ambiguous_credentials"),
    ],
)
async def test_method_and_path_are_the_requests_own(
    tmp_path: Path, method: str, path: str, status: int, why: str | None
) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        reply = await house.ask(f"/ext_authz/api{path}", GOOD, method=method)
        assert reply.status == status
        if why is not None:
            assert house.why(reply) == why


async def test_two_credentials_are_400_and_joined_by_a_comma_too(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        joined = ("Authorization", f"Bearer {token()},Bearer {token()}")
        for headers in ([GOOD, GOOD], [joined]):
            reply = await house.ask("/ext_authz/api/orders/1", *headers)
            assert (reply.status, house.why(reply)) == (400, "ambiguous_credentials")
            assert 'error="invalid_request"' in reply["WWW-Authenticate"]


@pytest.mark.parametrize(
    "name",
    ["X-Auth-Subject", "x-auth-subject", "X_Auth_Subject", "X-Auth-Anything", "x_auth-roles", "X-AUTH-REQUEST-ID"],
)
async def test_identity_that_a_client_sends_is_refused(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        for target, headers in (("/orders/1", [GOOD]), ("/health", [])):
            reply = await house.ask(f"/ext_authz/api{target}", *headers, (name, "root"))
            assert (reply.status, house.why(reply)) == (403, "forbidden")


async def test_a_header_that_the_operator_lists_may_pass(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables(client_headers=["X-Auth-Token"])), tmp_path) as house:
        assert (await house.ask("/ext_authz/api/orders/1", GOOD, ("X-Auth-Token", "1"))).status == 200
        assert (await house.ask("/ext_authz/api/orders/1", GOOD, ("X_Auth_Token", "1"))).status == 403


async def test_an_untrusted_peer_may_not_say_what_is_asked(tmp_path: Path) -> None:
    async with House(config(tmp_path, trust={"peers": ["unix"]}, **tables()), tmp_path) as house:
        reply = await house.ask("/ext_authz/api/health")
        assert (reply.status, house.why(reply)) == (403, "untrusted_peer")


async def test_descriptions_in_headers_are_the_clients_and_count_nothing(tmp_path: Path) -> None:
    spoofed = [("X-Forwarded-Uri", "/health"), ("X-Original-URI", "/health"), ("X-Forwarded-Method", "GET")]
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        assert (await house.ask("/ext_authz/api/orders/1", *spoofed)).status == 401


@pytest.mark.parametrize(
    "target", ["/ext_authz", "/ext_authz/", "/ext_authz/API/x", "/ext_authz//api/health", "/Ext_authz/api/health"]
)
async def test_the_name_is_matched_on_raw_bytes(tmp_path: Path, target: str) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        assert (await house.ask(target)).status == 404


async def test_a_resource_without_this_gateway_is_unknown(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables(gateway="nginx")), tmp_path) as house:
        for name in ("api", "other"):
            reply = await house.ask(f"/ext_authz/{name}/health")
            assert (reply.status, house.why(reply)) == (403, "unknown_resource")


async def test_clients_get_a_problem_and_no_reason(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        reply = await house.ask("/ext_authz/api/orders/1")
        assert reply["Content-Type"] == "application/problem+json"
        assert reply.json() == {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "request_id": reply["X-Auth-Request-Id"],
        }
        assert reply["WWW-Authenticate"] == (
            'Bearer realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
        )


async def test_the_operator_may_have_reasons_revealed(tmp_path: Path) -> None:
    made = config(tmp_path, server={"profile": "development", "reveal_reason": True}, **tables())
    async with House(made, tmp_path) as house:
        assert (await house.ask("/ext_authz/api/orders/1")).json()["code"] == "missing_token"
