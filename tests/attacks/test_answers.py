"""What a client may write into a request to make something of the answer to it."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.house import API, House, config, token
from support.wire import Reply, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PLACE = "https://login.example/start"
TABLES = {
    "resource": {
        "api": {
            "identifier": API,
            "gateway": ["forwarded", "envoy"],
            "login_redirect": PLACE,
            "login_return_parameter": "rd",
        }
    }
}
PAGE = "text/html,*/*;q=0.8"
NAVIGATE = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Accept", PAGE))


@asynccontextmanager
async def wires(folder: Path, **tables: Any) -> AsyncIterator[tuple[House, list[Wire]]]:
    """Connections to aiohttp and to the lane."""
    async with House(config(folder, **(TABLES | tables)), folder, lane=True) as house:
        opened = [await Wire.to(port) for port in (house.port, house.lane_port)]
        yield house, opened
        for wire in opened:
            await wire.close()


def described(uri: str | bytes, *more: Any, method: str = "GET") -> list[Any]:
    return [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri), *more]


WISHES = {
    "8 KiB of one range": "text/html;a=" + "x" * 8192,
    "8 KiB of quotes": 'text/html;a="' + '\\"' * 4096 + '"',
    "a thousand ranges": ",".join(["text/html"] * 1000),
    "a thousand commas": "text/html" + "," * 1024,
    "a q of nothing": "text/html;q=0",
    "a q of two": "text/html;q=2",
    "a q below nothing": "text/html;q=-1",
    "a q of no number": "text/html;q=nan",
    "quotes in quotes": 'text/html;a="\\"b\\\\"c"',
    "quotes that do not end": 'text/html;a="',
    "a page of its own": "text/html<script>alert(1)</script>",
    "another head": "text/html\tX: y",
    "bytes beyond ASCII": "text/html\u00e9",
    "nothing": "",
    "stars": "*/*/*,**/*,*",
}


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
async def test_no_wish_gets_anything_but_a_problem_in_return(tmp_path: Path, wish: str) -> None:
    async with wires(tmp_path) as (_, opened):
        for wire in opened:
            for credential in ([], [("Authorization", "Bearer a.b.c")]):
                reply = await wire.ask("/auth/api", *described("/", ("Accept", wish), *credential))
                assert reply.status == 401
                assert reply["Content-Type"] == "application/problem+json"
                assert b"script" not in reply.body


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
async def test_no_wish_costs_a_good_token_its_answer(tmp_path: Path, wish: str) -> None:
    async with wires(tmp_path) as (house, opened):
        for wire in opened:
            for _ in range(2):
                bearer = ("Authorization", f"Bearer {token()}")
                reply = await wire.ask("/auth/api", *described("/", ("Accept", wish), *NAVIGATE[:2], bearer))
                assert (reply.status, reply.body, reply["X-Auth-Subject"]) == (200, b"", "alice")
                assert not reply.all("Vary")
        assert house.clerk.lane.answered == 2


async def test_a_browser_s_repeated_bad_token_is_answered_by_the_lane_alone_in_every_form(tmp_path: Path) -> None:
    kinds = {"*/*": "application/problem+json", PAGE: "text/html", "text/plain": "text/plain"}
    async with wires(tmp_path) as (house, (_, wire)):
        bearer = ("Authorization", f"Bearer {token(number=1)}")  # of another key
        await wire.ask("/auth/api", *described("/", bearer))
        house.clerk._message = None  # type: ignore[method-assign,assignment]
        for wish, kind in list(kinds.items()) * 2:
            reply = await wire.ask("/auth/api", *described("/", ("Accept", wish), bearer))
            assert reply["Content-Type"].partition(";")[0] == kind
            assert reply["X-Auth-Request-Id"].encode() in reply.body
            assert house.why(reply) == "bad_signature"


TARGETS = (
    "/<script>alert(1)</script>", "/?<img src=x onerror=alert(1)>", '/"onload="x', "/%3Cscript%3E", "/{title}", "/%(x)s", "/${x}",
    "/'><svg>", "/<!--", "/</title><script>", "/\u202e", "/%s%n",
)  # fmt: skip


@pytest.mark.parametrize("accept", ["*/*", PAGE, "text/plain"])
@pytest.mark.parametrize("reveal", [False, True])
async def test_nothing_of_a_request_is_in_the_answer(tmp_path: Path, accept: str, reveal: bool) -> None:
    server = {"profile": "development", "reveal_reason": reveal}
    resource = {"api": {"identifier": API, "gateway": ["forwarded", "envoy"], "rule": [{"path": "/a"}]}}
    async with wires(tmp_path, server=server, resource=resource) as (_, opened):
        for target in TARGETS:
            for credential in ([], [("Authorization", "Bearer <script>")], [("Authorization", f"Bearer {token()}")]):
                fields = [("Accept", accept), ("X-Forwarded-Host", "<script>"), ("User-Agent", "<script>"), *credential]
                for wire in opened:
                    reply = await wire.ask("/auth/api", *described(target.encode(), *fields))
                    assert reply.status in (401, 403)
                    said = reply.body + repr(reply.headers).encode()
                    assert target.encode() not in said
                    assert not re.search(rb"<(?:script|img|svg)|onload|onerror|%3C", said)


def landing(reply: Reply) -> str | None:
    """Where somebody who has signed in would land."""
    assert reply.status == 302
    assert reply["Cache-Control"] == "no-store"
    assert (reply.body, reply["Content-Length"]) == (b"", "0")
    assert not reply.all("WWW-Authenticate")
    assert reply["Location"].startswith(PLACE)
    return parse_qs(urlsplit(reply["Location"]).query).get("rd", [None])[0]


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example", "/\\/evil.example", "/.//evil.example", "/%2f/evil.example",
        "/%5cevil.example", "/a/..//evil.example", "https://evil.example/", "http:evil.example", "javascript:alert(1)", "data:text/html,x",
        "@evil.example/", ".evil.example/", ":443@evil.example", "evil.example", "?//evil.example", "", "*", "/a%0d%0aLocation:%20x",
        "/\tevil", "/a b", "/a#@evil.example", "/\u00a0/evil.example", "/\u2044evil.example", "/a;@evil.example",
    ],
)  # fmt: skip
async def test_no_target_chooses_where_people_land(tmp_path: Path, target: str) -> None:
    async with wires(tmp_path) as (_, opened):
        for wire in opened:
            reply = await wire.ask("/auth/api", *described(target.encode(), *NAVIGATE))
            assert landing(reply) is None


@pytest.mark.parametrize(
    "name", ["Host", "X-Forwarded-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Proto", "Origin", "Referer"]
)
async def test_no_field_chooses_where_people_land(tmp_path: Path, name: str) -> None:
    async with wires(tmp_path) as (_, opened):
        for wire in opened:
            host = "evil.example" if name == "Host" else "bearerd.test"
            more = [] if name == "Host" else [(name, "evil.example")]
            reply = await wire.ask("/auth/api", *described("/a?b=c", *NAVIGATE, *more), host=host)
            assert landing(reply) == "https://api.example/a?b=c"
            reply = await wire.ask("/ext_authz/api/a?b=c", *NAVIGATE, *more, host=host)
            assert landing(reply) == "https://api.example/a?b=c"


async def test_a_stranger_s_browser_is_sent_nowhere(tmp_path: Path) -> None:
    """Whoever is no gateway tells of no original request: its method is unknown, and so is the way back."""
    async with wires(tmp_path, trust={"peers": ["192.0.2.1"]}) as (_, opened):
        for wire in opened:
            assert (await wire.ask("/auth/api", *described("/a", *NAVIGATE))).status == 401
            assert (await wire.ask("/ext_authz/api/a", *NAVIGATE)).status == 401


async def test_a_flood_of_browsers_costs_no_connection_its_lane(tmp_path: Path) -> None:
    async with wires(tmp_path) as (house, (_, wire)):
        for number in range(50):
            assert landing(await wire.ask("/auth/api", *described(f"/{number}", *NAVIGATE))) == f"{API}{number}"
        assert house.clerk.lane.answered == 50
        assert len(house.clerk.lane.connections) == 1
