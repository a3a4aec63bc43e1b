"""Spellings of a request that a laxer rule could take for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.house import API, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

RULES = (
    {"path": "/cors/**", "preflight": True},
    {"methods": ["DELETE"], "path": "/orders/*", "scopes": ["admin"]},
    {"path": "/admin/**", "scopes": ["admin"]},
    {"path": "/exact", "scopes": ["admin"]},
    {"path": "/**"},
)
TABLES = {"resource": {"api": {"identifier": API, "gateway": ["forwarded", "envoy"], "rule": RULES}}}
GOOD = token()


@pytest.mark.parametrize(
    "path",
    [
        "/admin", "/ADMIN/x", "/Admin/", "/admin%2Fx", "/admin%2fx", "/admin/../x", "/x/../admin/y", "/./admin/x",
        "//admin/x", "/x//y", "/admin;a/x", "/x;/../admin/x", "/%2e%2e/admin/x", "/x%252fadmin", "/admin\\x", "\\admin\\x",
        "/x/%5c../admin", "/admin%00/x", "/admin%0a/x", "/admin%3fx", "/admin%23/x", "/%ff", "/%c0%afadmin", "/x%",
        "/x%4", "/x%zz", "/exact/", "/EXACT", "/exact%2f", "/%61dmin/x", "/admin/%78", "admin/x", "http://a/admin/x", "",
        "/x#/admin", "/exact?/../x", "/x/..", "/x/.", "/admin%7f/x", "/%c2%85admin",
        "/admin./x", "/admin%20/x", "/Admin.%20./x", "/exact.", "/exact%20", "/EXACT./", "/adm%C4%B0n/x/..",
    ],
)  # fmt: skip
@pytest.mark.parametrize("face", ["forwarded", "envoy"])
async def test_no_spelling_of_a_guarded_path_reaches_the_laxer_rule(tmp_path: Path, path: str, face: str) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        if face == "forwarded":
            reply = await house.auth(GOOD, "GET", path)
        else:
            reply = await house.ask(f"/ext_authz/api{path}", ("Authorization", f"Bearer {GOOD}"))
        assert reply.status in (400, 403, 404)


@pytest.mark.parametrize("method", ["DELETE", "delete", "Delete", "dELETE"])
async def test_no_spelling_of_a_guarded_method_reaches_the_laxer_rule(tmp_path: Path, method: str) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        assert (await house.auth(GOOD, method, "/orders/1")).status == 403
        assert (await house.auth(GOOD, "get", "/orders/1")).status == 200  # no rule knows it by either spelling


@pytest.mark.parametrize("method", ["", "GET,DELETE", "GET DELETE", "G\xe9T", "A" * 33])
async def test_what_is_no_method_is_refused(tmp_path: Path, method: str) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        reply = await house.ask(
            "/auth/api",
            ("X-Forwarded-Method", method.encode("latin-1")),
            ("X-Forwarded-Uri", "/x"),
            ("Authorization", f"Bearer {GOOD}"),
        )
        assert (reply.status, house.why(reply)) == (400, "bad_request")


ORIGIN, ASKS = ("Origin", "https://a.example"), ("Access-Control-Request-Method", "DELETE")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("OPTIONS", "/cors/x", []),
        ("OPTIONS", "/cors/x", [ORIGIN]),
        ("OPTIONS", "/cors/x", [ASKS]),
        ("OPTIONS", "/cors/x", [ORIGIN, ("Access-Control-Request-Method", "")]),
        ("OPTIONS", "/cors/x", [ORIGIN, ("Access_Control_Request_Method", "GET")]),
        ("GET", "/cors/x", [ORIGIN, ASKS]),
        ("options", "/cors/x", [ORIGIN, ASKS]),
        ("OPTIONS", "/admin/x", [ORIGIN, ASKS]),
        ("OPTIONS", "/cors/../admin/x", [ORIGIN, ASKS]),
        ("OPTIONS", "/CORS/x", [ORIGIN, ASKS]),
    ],
)
async def test_what_only_looks_like_a_preflight_needs_a_credential(
    tmp_path: Path, method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        assert (await house.auth(None, method, path, *headers)).status in (401, 403)
        assert (await house.auth(None, "OPTIONS", "/cors/x", ORIGIN, ASKS)).status == 200


@pytest.mark.parametrize("name", ["X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-Proto"])
async def test_a_second_header_of_the_dialect_is_refused_in_any_case(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        reply = await house.auth(GOOD, "GET", "/x", (name.lower(), "/a"), (name.upper(), "/a"))
        assert (reply.status, house.why(reply)) == (400, "bad_request")


async def test_underscores_and_the_other_dialect_say_nothing(tmp_path: Path) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        lies = [(f"X{s}Original{s}{n}", v) for s in "-_" for n, v in (("URI", "/x"), ("Method", "GET"))]
        lies += [("X_Forwarded_Uri", "/x"), ("X_Forwarded_Method", "GET"), ("X-Rewrite-URL", "/x")]
        assert (await house.auth(GOOD, "DELETE", "/orders/1", *lies)).status == 403
        reply = await house.ask("/auth/api", *lies, ("Authorization", f"Bearer {GOOD}"))
        assert (reply.status, house.why(reply)) == (403, "untrusted_peer")
