"""``/auth`` through the lane: what a host chooses there is what it chooses at aiohttp's, to the byte, and as fast."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from support.heads import mutated
from support.house import API, ISS, House
from support.lanes import RESOURCES, TABLES, Pair, made, question
from support.line import HERE, STRANGER, Line, lane_line, plain_line
from support.questions import FIELDS, HOSTS, METHODS, STRANGE, TOKENS, URIS, ended, mix, pieces_of, revoke

from bearerd.config.model import Config
from bearerd.decision import Now, Pending, Wait
from bearerd.refusals import Refusal
from bearerd.verify.verified import Verified
from bearerd.verify.verifier import TokenVerifier

DIALECTS = ("nginx", "forwarded")
SHARED = {
    "v1": {"identifier": "https://api.example/", "gateway": "nginx", "hosts": ["one.test"], "paths": ["/v1", "/v1/**"]},
    "v2": {
        "identifier": "https://api.example/",
        "gateway": "nginx",
        "hosts": ["one.test"],
        "paths": ["/v2/**"],
        "scopes": ["admin"],
    },
    "v3": {"identifier": "https://api.example/", "gateway": "forwarded", "hosts": ["one.test"], "paths": ["/v3/**"]},
    "shade": {
        "identifier": "https://api.example/",
        "gateway": "nginx",
        "hosts": ["one.test"],
        "paths": ["/shade/**"],
        "enforce": "shadow",
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", TABLES)
async def test_every_token_is_answered_alike_the_first_time_and_again(tmp_path: Path, table: str, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        revoke(pair)
        for credential in (None, *TOKENS.values()):
            for _ in range(2):
                await pair.ask(question(dialect, table, credential, host="{}"), listener=dialect)
        assert pair.native >= 2 * len(TOKENS)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_host_is_answered_as_the_name_of_its_resource(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for table in TABLES:
            for credential in (None, TOKENS["good"], TOKENS["bad signature"]):
                for uri in ("/a/b", "/public/x", "/b", "/a/../b"):
                    asked = [question(dialect, table, credential, uri=uri, host=host) for host in (None, "{}")]
                    named, chosen = [await pair.ask(data, listener=dialect) for data in asked]
                    assert named == chosen


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_host_is_answered_alike(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for table in ("bare", "ruled", "shade"):
            for credential in (None, TOKENS["rich"], TOKENS["bad signature"]):
                for host in HOSTS:
                    for spelled in (host, host.upper()):
                        for _ in range(2):
                            await pair.ask(question(dialect, table, credential, host=spelled), listener=dialect)
        assert pair.native > 100


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_path_and_method_is_answered_alike(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for credential in (None, TOKENS["rich"]):
            for uri in URIS:
                for method in ("GET", *STRANGE[:2]):
                    await pair.ask(question(dialect, "ruled", credential, method, uri, host="{}"), listener=dialect)
            for asks in METHODS:
                await pair.ask(question(dialect, "ruled", credential, asks=asks, host="{}"), listener=dialect)
        assert pair.native > 50


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_field_is_answered_alike(tmp_path: Path, dialect: str) -> None:
    """A second host among them, and fields of the other family."""
    more = [("X-Original-Host", "bare.test"), ("x-forwarded-host", "bare-f.test"), ("X-Forwarded-Uri", "/public/x")]
    async with Pair(tmp_path) as pair:
        for table in ("bare", "ruled", "shade"):
            for credential in (None, TOKENS["rich"]):
                for field in (*FIELDS, *more):
                    for _ in range(2):
                        await pair.ask(
                            question(dialect, table, credential, "GET", "/a/b", field, host="{}"), listener=dialect
                        )
        assert pair.native > 50


@pytest.mark.parametrize("listener", ["nginx", "forwarded"])
@pytest.mark.parametrize("anew", [False, True])
async def test_of_resources_that_share_a_host_the_path_chooses_alike(tmp_path: Path, listener: str, anew: bool) -> None:
    paths = (
        "/v1",
        "/v1/",
        "/v1/x",
        "/v2",
        "/v2/x",
        "/v3/x",
        "/shade/x",
        "/V1/x",
        "/v1/../v2/x",
        "/v1%2f..",
        "//v1/x",
        "*",
        "",
    )
    async with Pair(tmp_path, made(tmp_path, resource=SHARED), anew=anew) as pair:
        for credential in (None, TOKENS["good"], TOKENS["rich"], TOKENS["bad signature"]):
            for uri in paths:
                for more in ((), (("X-Original-URI", "/v2/x"),), (("X-Original-Host", "one.test"),)):
                    for _ in range(2):
                        data = question(listener, "bare", credential, "GET", uri, *more, host="one.test")
                        await pair.ask(data, listener=listener)
        no_path = question(listener, "bare", TOKENS["good"], host="one.test").replace(b"X-Original-URI", b"X-Nothing")
        await pair.ask(no_path, listener=listener)
        assert pair.native > 50


@pytest.mark.parametrize("listener", ["", "nginx", "forwarded"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_listener_fixes_the_dialect(tmp_path: Path, dialect: str, listener: str) -> None:
    """Where it fixes none, ``/auth`` is nobody's; and a resource of the other dialect is not asked about."""
    async with Pair(tmp_path) as pair:
        answer = await pair.ask(question(dialect, "bare", TOKENS["good"], host="{}"), listener=listener)
        assert answer.split(b" ")[1] == (b"404" if not listener else b"200" if listener == dialect else b"403")
        other = question(dialect, "bare", TOKENS["good"]).replace(b"/auth/bare", b"/auth/nowhere")
        await pair.ask([other, question(dialect, "bare", TOKENS["good"])], listener=listener)


@pytest.mark.parametrize(
    "target", ["/auth?x=/auth/bare", "/auth?", "/auth/", "/auth/?", "/auth//bare", "/authx", "/AUTH"]
)
async def test_every_spelling_of_the_address_is_answered_alike(tmp_path: Path, target: str) -> None:
    async with Pair(tmp_path) as pair:
        data = question("nginx", "bare", TOKENS["good"], host="{}").replace(b"/auth", target.encode(), 1)
        for at in (len(data), 8, 9, 10, 11, 12):
            answer = await pair.ask([data[:at], data[at:]], listener="nginx")
        assert (answer.split(b" ")[1] == b"200") == (target in ("/auth?x=/auth/bare", "/auth?"))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stranger_chooses_nothing(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for host in HOSTS:
            for peer in (STRANGER, HERE, STRANGER):
                answer = await pair.ask(question(dialect, "shade", TOKENS["good"], host=host), peer, dialect)
                assert peer == HERE or b" 403 " in answer[:20]


async def test_a_client_s_host_takes_nobody_off_the_lane(tmp_path: Path) -> None:
    async with Pair(tmp_path) as pair:
        odd = [question("nginx", "bare", TOKENS["good"], host=host) for host in HOSTS if host.isascii()]
        known = question("nginx", "bare", TOKENS["good"], host="{}")
        before = pair.native
        await pair.ask([piece for data in odd for piece in (data, known)], listener="nginx")
        assert pair.native - before == 2 * len(odd)


async def test_what_is_prepared_for_a_name_is_there_for_the_host(tmp_path: Path) -> None:
    async with Pair(tmp_path) as pair:
        lane = pair.laned.clerk.lane
        await pair.ask(question("nginx", "bare", TOKENS["good"]), listener="nginx")
        asked = pair.laned.clerk._read
        pair.laned.clerk._read = lambda *_: pytest.fail("Python was asked")  # type: ignore[assignment]
        hits = lane.hits
        await pair.ask(question("nginx", "bare", TOKENS["good"], host="{}"), listener="nginx")
        pair.laned.clerk._read = asked
        assert lane.hits == hits + 1


async def test_a_host_that_is_another_s_after_a_reload_is_that_other_s_at_once(tmp_path: Path) -> None:
    moved = {name: table | {"hosts": []} for name, table in RESOURCES.items()}
    moved["scoped"] |= {"hosts": ["bare.test"], "scopes": ["admin"]}
    async with Pair(tmp_path) as pair:
        data = question("nginx", "bare", TOKENS["good"], host="{}")
        for _ in range(2):
            assert b" 200 " in (await pair.ask(data, listener="nginx"))[:20]
        for house in pair.houses:
            await house.service.reload(made(tmp_path, resource=moved))
        for _ in range(2):
            assert b" 403 " in (await pair.ask(data, listener="nginx"))[:20]


@pytest.mark.parametrize("before", [True, "shadow"])
@pytest.mark.parametrize("line", [lane_line, plain_line])
async def test_who_waits_for_a_key_while_a_reload_moves_the_host_is_not_judged_as_the_former_owner_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Callable[..., Line], before: bool | str
) -> None:
    def owned(lax: list[str], strict: list[str]) -> Config:
        both = {"identifier": API, "gateway": "nginx"}
        return made(
            tmp_path,
            resource={
                "lax": both | {"hosts": lax, "enforce": before},
                "strict": both | {"hosts": strict, "scopes": ["admin"]},
            },
        )

    async with House(owned(["x.test"], ["y.test"]), tmp_path, lane=True) as house:
        come = asyncio.Event()
        verify_now = TokenVerifier.verify_now

        def verified(self: TokenVerifier, token: bytes, at: Now) -> Verified | Refusal | Pending:
            return verify_now(self, token, at) if come.is_set() else Pending(Wait.KEY, ISS, "k9")

        async def wait(*_: object) -> None:
            await come.wait()

        monkeypatch.setattr(TokenVerifier, "verify_now", verified)
        monkeypatch.setattr(house.service.flights, "wait", wait)
        asks = line(house, HERE, "nginx")
        asks.feed(question("nginx", "lax", TOKENS["good"], host="x.test"))
        await asyncio.sleep(0.02)
        assert not asks.sent
        await house.service.reload(owned([], ["x.test", "y.test"]))
        come.set()
        for _ in range(200):
            if asks.sent:
                break
            await asyncio.sleep(0.01)
        assert b" 503 " in bytes(asks.sent)[:20]
        asks.hang_up()


@pytest.mark.parametrize("seed", range(4))
async def test_pipelined_and_changed_requests_are_answered_alike(tmp_path: Path, seed: int) -> None:
    draw = Random(seed)

    def one() -> bytes:
        if draw.random() < 0.3:
            return mix(draw)
        credential, host = draw.choice([None, *TOKENS.values()]), draw.choice(["{}", "{}", *HOSTS])
        return question(
            "nginx", draw.choice(list(TABLES)), credential, uri=draw.choice(["/a/b", "/public/x"]), host=host
        )

    async with Pair(tmp_path) as pair:
        revoke(pair)
        for _ in range(60):
            data = b"".join(one() for _ in range(draw.randrange(1, 5)))
            await pair.ask(pieces_of(data, draw.choice([len(data), 700, 97])), listener="nginx")
            await pair.ask(ended(mutated(draw, data)), listener="nginx")
        assert pair.native > 40
