"""``/auth/NAME``: gateways that describe the request in headers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from support.house import API, House, config, token

from bearerd.faces import forward_auth
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from pathlib import Path

RULES = (
    {"path": "/health", "auth": "none"},
    {"path": "/public/**", "auth": "optional"},
    {"path": "/**", "preflight": True},
    {"methods": ["GET"], "path": "/orders/**", "scopes": ["read"]},
    {"methods": ["POST"], "path": "/orders/**", "scopes": ["admin", "write"]},
)
IDENTITY = ["X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Client", "X-Auth-Scopes", "X-Auth-Roles"]


def nginx(method: str, uri: str, *more: tuple[str, str], credential: str | None = None) -> list[tuple[str, str]]:
    headers = [("X-Original-Method", method), ("X-Original-URI", uri), ("X-Original-Host", "api.example"), *more]
    return [*headers, ("Authorization", f"Bearer {credential}")] if credential is not None else headers


def tables(gateway: Any, **resource: Any) -> dict[str, Any]:
    return {"resource": {"api": {"identifier": API, "gateway": gateway, "rule": RULES} | resource}}


@pytest.fixture(params=["nginx", "forwarded"])
def gateway(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def described(gateway: str, method: str, uri: str, *more: tuple[str, str], credential: str | None = None) -> Any:
    if gateway == "nginx":
        return nginx(method, uri, *more, credential=credential)
    renamed = [(name.replace("X-Original", "X-Forwarded"), value) for name, value in nginx(method, uri)]
    return [*renamed, *more, *([("Authorization", f"Bearer {credential}")] if credential is not None else [])]


@pytest.mark.parametrize(
    ("method", "uri", "credential", "meant"),
    [
        ("GET", "/orders/1", "good", 200),
        ("HEAD", "/orders/1?x=/../", "good", 200),
        ("GET", "/orders/1", None, 401),
        ("POST", "/orders/1", "good", 403),
        ("DELETE", "/orders/1", "good", 403),
        ("GET", "/elsewhere", "good", 403),
        ("GET", "/elsewhere", None, 401),
        ("GET", "/health", None, 200),
        ("GET", "/health", "rubbish", 200),
        ("GET", "/health/", "good", 403),
        ("GET", "/public/x", None, 200),
        ("GET", "/public/x", "rubbish", 401),
        ("GET", "/orders/..%2fhealth", "good", 403),
        ("GET", "/orders/1?access_token=x", "good", 401),
    ],
)
async def test_the_original_request_is_decided(
    tmp_path: Path, gateway: str, method: str, uri: str, credential: str | None, meant: int
) -> None:
    shown = token() if credential == "good" else credential
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        reply = await house.ask("/auth/api", *described(gateway, method, uri, credential=shown))
        assert reply.status == meant
        if meant == 200:
            assert [name for name, _ in reply.headers if name in IDENTITY] == IDENTITY
            assert reply.body == b""
        elif gateway == "nginx":
            assert reply["X-Auth-Status"] == str(meant)
            assert reply["X-Auth-Reason"] == house.why(reply)
        else:
            assert not reply.all("X-Auth-Status")
            assert not reply.all("X-Auth-Reason")


async def test_a_preflight_passes_without_a_credential_and_without_identity(tmp_path: Path, gateway: str) -> None:
    asked = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")]
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        reply = await house.ask("/auth/api", *described(gateway, "OPTIONS", "/orders/1", *asked))
        assert (reply.status, reply["X-Auth-Subject"]) == (200, "")
        assert (await house.ask("/auth/api", *described(gateway, "OPTIONS", "/orders/1", asked[0]))).status == 401


async def test_identity_goes_with_every_allow_in_an_alphabet_that_nothing_ends(tmp_path: Path, gateway: str) -> None:
    given = token(sub="älice %\r\n", scope="read a,b", roles=["one", "t,wo"], client_id=...)
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        reply = await house.ask("/auth/api", *described(gateway, "GET", "/orders/1", credential=given))
        assert reply.status == 200
        assert unquote(reply["X-Auth-Subject"]) == "älice %\r\n"
        assert reply["X-Auth-Issuer"] == "https://issuer.example"
        assert reply["X-Auth-Client"] == ""
        assert reply["X-Auth-Scopes"] == "read a,b"
        assert reply["X-Auth-Roles"] == "one,t%2Cwo"


async def test_the_other_familys_headers_are_the_clients_and_are_ignored(tmp_path: Path, gateway: str) -> None:
    other = "X-Forwarded" if gateway == "nginx" else "X-Original"
    spoofed = [
        (f"{other}-Method", "GET"),
        (f"{other}-Uri", "/health"),
        (f"{other}-Uri", "/health"),
        (f"{other}-URI", "/"),
    ]
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        assert (await house.ask("/auth/api", *described(gateway, "GET", "/orders/1", *spoofed))).status == 401
        alone = await house.ask("/auth/api", *spoofed)
        assert alone.status == 403
        assert house.why(alone) == "untrusted_peer"


@pytest.mark.parametrize("name", ["Method", "URI", "Host", "uri"])
async def test_a_header_of_the_family_given_twice_is_refused(tmp_path: Path, gateway: str, name: str) -> None:
    family = "X-Original" if gateway == "nginx" else "X-Forwarded"
    headers = described(gateway, "GET", "/health", (f"{family}-{name}", "GET" if name == "Method" else "/health"))
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        reply = await house.ask("/auth/api", *headers)
        assert house.why(reply) == "bad_request"
        assert reply.status == (403 if gateway == "nginx" else 400)
        if gateway == "nginx":
            assert reply["X-Auth-Status"] == "400"


@pytest.mark.parametrize(
    ("method", "host"),
    [
        (b"", b"a"),
        (b"G T", b"a"),
        (b"GET,POST", b"a"),
        (b"\xc3\xa4", b"a"),
        (b"X" * 40, b"a"),
        (b"GET", b"a, b"),
        (b"GET", b"\xff"),
    ],
)
def test_a_method_or_host_that_cannot_be_one_is_refused(method: bytes, host: bytes) -> None:
    headers = [(b"X-Original-Method", method), (b"X-Original-URI", b"/"), (b"x-original-host", host)]
    found = forward_auth.original("nginx", headers, trusted=True, peer="")
    assert isinstance(found, Refusal)
    assert found.code is Code.BAD_REQUEST


def test_what_an_untrusted_peer_tells_is_not_read() -> None:
    headers = [(b"X-Original-Method", b"GET"), (b"X-Original-URI", b"/"), (b"X-Original-URI", b"/")]
    found = forward_auth.original("nginx", headers, trusted=False, peer="10.0.0.1")
    assert not isinstance(found, Refusal)
    assert (found.method, found.target, found.host, found.trusted) == (None, None, None, False)


def test_the_target_is_kept_to_the_byte_and_the_host_normalised() -> None:
    headers = [(b"X-Forwarded-Uri", b"/a%2fb\xff?x"), (b"X-Forwarded-Host", b"API.Example.:8443")]
    found = forward_auth.original("forwarded", headers, trusted=True, peer="")
    assert not isinstance(found, Refusal)
    assert (found.method, found.target, found.path, found.host) == (None, b"/a%2fb\xff?x", None, "api.example")


async def test_without_rules_a_good_token_is_enough_and_no_request_need_be_told(tmp_path: Path, gateway: str) -> None:
    made = config(tmp_path, trust={"peers": ["unix"]}, **tables(gateway, rule=()))
    async with House(made, tmp_path) as house:
        assert (await house.ask("/auth/api", ("Authorization", f"Bearer {token()}"))).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "HEAD", "DELETE", "PATCH"])
async def test_any_method_may_ask(tmp_path: Path, gateway: str, method: str) -> None:
    headers = described(gateway, "GET", "/orders/1", credential=token())
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        for _ in range(2):  # on one connection
            assert (await house.ask("/auth/api", *headers, method=method, body=b"ignored")).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/auth/",
        "/auth/API",
        "/auth/api/",
        "/auth/api/x",
        "/auth/a%70i",
        "/auth//api",
        "/auth",
        "//auth/api",
        "/Auth/api",
    ],
)
async def test_the_name_is_matched_on_raw_bytes(tmp_path: Path, gateway: str, target: str) -> None:
    headers = described(gateway, "GET", "/health")
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        reply = await house.ask(target, *headers)
        assert reply.status == 404
        assert json.loads(reply.body) == {"type": "about:blank", "status": 404, "title": "Not Found"}
        assert (await house.ask("/auth/api?anything", *headers)).status == 200


async def test_a_resource_that_does_not_list_the_dialect_is_unknown_like_one_that_is_not_there(
    tmp_path: Path, gateway: str
) -> None:
    async with House(config(tmp_path, **tables("envoy")), tmp_path) as house:
        answers = [await house.ask(f"/auth/{name}", *described(gateway, "GET", "/health")) for name in ("api", "other")]
        assert [house.why(reply) for reply in answers] == ["unknown_resource"] * 2
        assert answers[0].status == answers[1].status == 403
        assert [name for name, _ in answers[0].headers] == [name for name, _ in answers[1].headers]


async def test_a_shadow_resource_refuses_a_trusted_peer_nothing_and_names_nobody(tmp_path: Path, gateway: str) -> None:
    async with House(config(tmp_path, **tables(gateway, enforce="shadow")), tmp_path) as house:
        for headers in (
            described(gateway, "GET", "/orders/1"),
            described(gateway, "GET", "/orders/1", ("X-Original-URI", "/"), ("X-Forwarded-Uri", "/")),
        ):
            reply = await house.ask("/auth/api", *headers)
            assert (reply.status, reply["X-Auth-Subject"]) == (200, "")
        assert len(house.service.recorder.ring) == 2


async def test_nothing_of_aiohttp_is_told(tmp_path: Path, gateway: str) -> None:
    async with House(config(tmp_path, **tables(gateway)), tmp_path) as house:
        for headers in (described(gateway, "GET", "/health"), described(gateway, "GET", "/orders/1")):
            assert (await house.ask("/auth/api", *headers))["Server"] == "bearerd"
