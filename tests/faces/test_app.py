"""The public listener as a whole: what it says of nothing, how much it takes, and what it never repeats."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from aiohttp import web
from support.house import API, SECRET, House, config, issuer, token
from support.issuer import Answer, Gate, ScriptedIssuer
from support.line import TURNS, plain_line, settle
from support.wire import Wire, request

from bearerd import log, metrics
from bearerd.faces.app import Faces
from bearerd.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "canary7f3aQx"
# A token whose every part carries the canary: no cut of it may appear anywhere.
SECRET_TOKEN = f"eyJ{CANARY}.{CANARY}eyJ.{CANARY}"
RESOURCES = {
    "api": {"identifier": API, "gateway": ["nginx", "envoy"], "rule": [{"path": "/**", "scopes": ["read"]}]},
    "open": {"identifier": "https://open.example", "audience": API, "gateway": ["forwarded"]},
}


def made(tmp_path: Path, **tables: Any) -> House:
    return House(config(tmp_path, callers=({"name": "svc"},), **({"resource": RESOURCES} | tables)), tmp_path)


@pytest.fixture
def logged() -> Iterator[Any]:
    """Everything that the process logs, at the most talkative level, as bytes."""
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    log.setup("debug", writing)

    def read() -> bytes:
        log.close()
        try:
            return os.read(reading, 1 << 20)
        except BlockingIOError:
            return b""

    yield read
    log.close()
    root.handlers[:], root.level = kept, level
    logging.captureWarnings(False)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    "target", ["/", "/favicon.ico", "/auth", "/metrics", "/%61uth/api", f"/{CANARY}", "/introspect/", "*"]
)
async def test_an_unknown_path_is_404_and_is_not_repeated(tmp_path: Path, target: str) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask(target, method="OPTIONS" if target == "*" else "GET")
        assert reply.status in (400, 404)
        assert CANARY.encode() not in reply.body


async def test_an_absolute_target_is_no_way_in(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask("http://bearerd.test/auth/api", ("Authorization", f"Bearer {token()}"))
        assert reply.status == 404


async def test_a_connection_is_kept_for_allows_and_refusals(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        wire = await house.wire()
        for credential, status in ((token(), 200), ("bad", 401), (token(), 200)):
            reply = await wire.ask("/auth/open", ("Authorization", f"Bearer {credential}"))
            assert reply.status == status
            assert reply.get("Connection") is None
        await wire.close()


async def test_requests_behind_one_another_are_answered_in_order(tmp_path: Path) -> None:
    good = ("Authorization", f"Bearer {token()}")
    async with made(tmp_path) as house:
        wire = await house.wire()
        await wire.send(
            request("/auth/open", good) + request("/auth/open") + request("/nothing") + request("/auth/open", good)
        )
        assert [(await wire.read()).status for _ in range(4)] == [200, 401, 404, 200]
        await wire.close()


async def test_a_head_beyond_the_limit_in_all_is_431_and_counted(tmp_path: Path) -> None:
    fields = [(f"X-{number}", "x" * 8000) for number in range(9)]
    async with made(tmp_path) as house:
        reply = await house.ask("/auth/api", *fields)
        assert (reply.status, reply["X-Auth-Status"]) == (431, "431")
        assert house.why(reply) == "head_too_large"
        reply = await house.ask("/auth/api", *[(f"X-{number}", "x") for number in range(101)])
        assert (reply.status, house.why(reply)) == (431, "head_too_large")
        found = metrics.gather([house.service.metrics.buffer])
        assert found[("bearerd_decisions_total", "-", "-", "forbid", "head_too_large")] == (2.0,)


async def test_a_unix_socket_is_a_trusted_peer(tmp_path: Path) -> None:
    path = f"/tmp/bearerd-test-{os.getpid()}-{id(tmp_path):x}.sock"
    async with made(tmp_path, trust={"peers": ["unix"]}) as house:
        await web.UnixSite(house.runner, path).start()
        wire = await Wire.to_unix(path)
        asked = [("X-Original-Method", "GET"), ("X-Original-URI", "/x"), ("Authorization", f"Bearer {token()}")]
        assert (await wire.ask("/auth/api", *asked)).status == 200
        reply = await house.ask("/auth/api", *asked)
        assert house.why(reply) == "untrusted_peer"
        await wire.close()


async def test_trust_follows_a_reload_on_an_open_connection(tmp_path: Path) -> None:
    asked = [("X-Original-Method", "GET"), ("X-Original-URI", "/x"), ("Authorization", f"Bearer {token()}")]
    async with made(tmp_path) as house:
        assert (await house.ask("/auth/api", *asked)).status == 200
        await house.service.reload(config(tmp_path, resource=RESOURCES, trust={"peers": ["10.0.0.0/8"]}))
        assert (await house.ask("/auth/api", *asked)).status == 403


@pytest.mark.parametrize("changes", ["trust", "gateway"])
async def test_a_reload_counts_for_whose_body_had_not_come_in_full(tmp_path: Path, changes: str) -> None:
    def served(gateway: str = "envoy") -> dict[str, Any]:
        told = {"kind": "mcp", "mcp_headers": "checked", "mcp_body": "required", "rule": [{"tool": "*"}]}
        return {"resource": {"mcp": {"identifier": API, "gateway": gateway} | told}}

    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"dig","arguments":{}}}'
    fields = (f"Authorization: Bearer {token()}", f"Content-Length: {len(body)}", "Content-Type: application/json")
    head = "\r\n".join(["POST /ext_authz/mcp/mcp HTTP/1.1", "Host: a", *fields, "", ""]).encode()
    after = {"trust": served() | {"trust": {"peers": ["10.0.0.0/8"]}}, "gateway": served("grpc")}[changes]
    async with House(config(tmp_path, **served()), tmp_path) as house:
        for status in (b"200", b"403"):
            line = plain_line(house)
            line.feed(head + body[:20])
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if status == b"403":
                await house.service.reload(config(tmp_path, **after))
            line.feed(body[20:])
            await settle(house, until=lambda line=line: bool(line.sent))
            assert bytes(line.sent)[9:12] == status
            line.hang_up()


async def test_a_face_that_fails_is_503_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError(SECRET_TOKEN)

    monkeypatch.setattr(Faces, "_seen", fail)
    async with made(tmp_path) as house:
        reply = await house.ask("/auth/open", ("Authorization", f"Bearer {SECRET_TOKEN}"))
        assert (reply.status, house.why(reply), reply["Retry-After"]) == (503, "internal_error", "1")
    said = logged()
    assert b"RuntimeError" in said
    assert CANARY.encode() not in said + reply.body


CANARIES = {
    "as it should be": f"Bearer {SECRET_TOKEN}".encode(),
    "another scheme": f"Token {SECRET_TOKEN}".encode(),
    "no scheme": SECRET_TOKEN.encode(),
    "NUL": f"Bearer {SECRET_TOKEN}".encode() + b"\0",
    "bare CR": b"Bearer \r" + SECRET_TOKEN.encode(),
    "0x7f": f"Bearer {SECRET_TOKEN}".encode() + b"\x7f",
    "0x01": b"Bearer \x01" + SECRET_TOKEN.encode(),
    "oversize": b"Bearer " + SECRET_TOKEN.encode() * 1000,
    "beyond every limit": b"Bearer " + SECRET_TOKEN.encode() * 3000,
    "not a token": f"Bearer {CANARY}é".encode(),
    "two": f"Bearer {SECRET_TOKEN}, Bearer {SECRET_TOKEN}".encode(),
    "Basic": f"Basic {SECRET_TOKEN}".encode(),
}


@pytest.mark.parametrize("name", CANARIES)
@pytest.mark.parametrize("face", ["/auth/api", "/auth/open", "/ext_authz/api/x", "/introspect", "/nowhere"])
async def test_no_credential_reaches_log_answer_or_ring(tmp_path: Path, name: str, face: str, logged: Any) -> None:
    headers = [
        ("Authorization", CANARIES[name]),
        ("X-Original-Method", "GET"),
        ("X-Original-URI", f"/x?access_token={CANARY}"),
    ]
    async with made(tmp_path) as house:
        wire = await house.wire()
        await wire.send(
            request(face, *headers, ("Connection", "close"), method="POST" if face == "/introspect" else "GET")
        )
        try:
            answer = await wire.rest()
        except ConnectionError:
            answer = b""  # it was so long that the connection ended under it
        await wire.close()
        ring = json.dumps(house.service.recorder.ring.last(10)).encode()
        explained = json.dumps(house.service.health()).encode()
    said = logged()
    for text in (answer, ring, explained, said):
        assert CANARY.encode() not in text
    if answer:
        assert b"HTTP/1.1 200" not in answer


@pytest.mark.parametrize("where", ["token", "client_id", "client_secret", "other"])
async def test_no_form_field_reaches_log_answer_or_ring(tmp_path: Path, where: str, logged: Any) -> None:
    fields = {"client_id": "svc", "client_secret": SECRET, "token": "x"} | {where: SECRET_TOKEN}
    async with made(tmp_path) as house:
        for target in ("/introspect", "/revoke"):
            reply = await house.post(target, user=None, **fields)
            assert CANARY.encode() not in reply.body
        ring = json.dumps(house.service.recorder.ring.last(10)).encode()
    assert CANARY.encode() not in ring + logged()


def test_under_uvloop_as_in_a_worker_it_is_the_same(tmp_path: Path, logged: Any) -> None:
    path = f"/tmp/bearerd-test-{os.getpid()}-{id(tmp_path):x}.sock"
    asked = [("X-Original-Method", "GET"), ("X-Original-URI", "/x"), ("Authorization", f"Bearer {token()}")]

    async def run() -> None:
        async with made(tmp_path, trust={"peers": ["unix"]}) as house:
            await web.UnixSite(house.runner, path).start()
            wire = await Wire.to_unix(path)
            for _ in range(2):
                assert (await wire.ask("/auth/api", *asked)).status == 200
            assert (await wire.ask("/auth/api", ("X-Long", "x" * 33_000))).status == 431
            assert await wire.rest() == b""
            await wire.close()
            assert house.why(await house.ask("/auth/api", *asked)) == "untrusted_peer"
            wire = await house.wire()
            await wire.send(request("/auth/api", ("Authorization", CANARIES["NUL"])))
            answer = await wire.rest()
            assert answer.startswith(b"HTTP/1.0 400 ")
            assert CANARY.encode() not in answer
            await wire.close()

    uvloop.run(run())
    assert CANARY.encode() not in logged()


async def test_a_client_that_leaves_is_no_fault(tmp_path: Path, logged: Any) -> None:
    async with made(tmp_path) as house:
        wire = await house.wire()
        await wire.send(
            b"POST /introspect HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\ntoken="
        )
        await wire.close()
        await asyncio.sleep(0.05)
        assert (await house.ask("/auth/open")).status == 401
    assert b'"level":"error"' not in logged()


async def test_cleanup_lets_a_request_under_way_end(tmp_path: Path) -> None:
    async with ScriptedIssuer() as remote:
        gate = Gate(Answer(remote.jwks()))
        remote.always("/jwks", gate)
        table = issuer(issuer=remote.issuer, jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        async with made(tmp_path, issuer=[table | {"algorithms": ["RS256", "ES256", "EdDSA"]}]) as house:
            await house.service.start()
            wire = await house.wire()
            await wire.send(request("/auth/open", ("Authorization", f"Bearer {remote.token(aud=API)}")))
            while not house.service.flights.waiting:
                await asyncio.sleep(0.01)
            ending = asyncio.create_task(house.runner.cleanup())
            await asyncio.sleep(0.05)
            assert not ending.done()
            gate.open.set()
            assert (await wire.read()).status == 200
            await ending
            assert await wire.rest() == b""
            await wire.close()


@pytest.mark.parametrize(
    ("target", "kind", "times"),
    [
        ("/nowhere", "text/plain", 1),
        ("/introspect", "application/x-www-form-urlencoded", 2),
        ("/revoke", "application/x-www-form-urlencoded", 2),
        ("/mcp/tools", "application/json", 2),
        ("/ext_authz/asked/", "application/json", 2),
    ],
)
async def test_each_request_waits_its_turn_and_so_does_what_its_body_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, kind: str, times: int
) -> None:
    """A thousand forms that nobody had asked for held a worker up until the watchdog killed it."""
    waited: list[None] = []
    real = Turns.turn

    async def turn(self: Turns) -> None:
        waited.append(None)
        await real(self)

    monkeypatch.setattr(Turns, "turn", turn)
    rule = {"rule": [{"tool": "*", "scopes": ["read"]}]}
    resources = {
        "tools": {
            "identifier": "https://tools.example",
            "audience": API,
            "kind": "mcp",
            "upstream": "http://127.0.0.1:1/",
        }
        | rule,
        "asked": {"identifier": "https://asked.example", "audience": API, "kind": "mcp", "gateway": "envoy"} | rule,
    }
    async with made(tmp_path, resource=resources, caller=[]) as house:
        wire = await Wire.to(house.port)
        headers = ("Content-Type", kind), ("Authorization", f"Bearer {token()}"), ("Connection", "close")
        await wire.ask(target, *headers, method="POST", body=b"{}")
        await wire.close()
    assert len(waited) == times
