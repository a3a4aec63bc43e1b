"""The admin listener of a real bearerd: who may ask, what it believes of a body, what it does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from support import house
from support.bearerd import Answer, Bearerd, config, request, wait_for

from bearerd.serve import admin
from bearerd.serve.admin import _host_is_literal

SUBJECT = {"kind": "subject", "issuer": house.ISS, "value": "alice"}


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    with Bearerd(tmp_path_factory.mktemp("admin"), config(workers=2)) as running:
        yield running


def ask(bearerd: Bearerd, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """A request with exactly these headers."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(bearerd.addresses()["admin"], method, path, fields, body)


# ---- who may ask


@pytest.mark.parametrize("shown", [None, "", "Bearer ", "Bearer wrong", "Basic {token}", "Bearer {token}x", "{token}"])
def test_only_the_exact_token_opens_it(bearerd: Bearerd, shown: str | None) -> None:
    headers = {} if shown is None else {"Authorization": shown.format(token=bearerd.token())}
    for path in ("/v1/health", "/v1/revocations", "/no/such/path"):
        answer = ask(bearerd, "GET", path, **headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert answer.json() == {"error": "show the admin token"}


def test_the_token_opens_it_and_is_kept_for_its_owner_alone(bearerd: Bearerd) -> None:
    assert bearerd.api("GET", "/v1/health").status == 200
    assert (bearerd.data_dir / "admin.token").stat().st_mode & 0o777 == 0o600
    assert len(bearerd.token()) >= 43


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9181", "[evil]", ""]
)
def test_a_name_as_host_is_refused_whatever_token_is_shown(bearerd: Bearerd, host: str) -> None:
    answer = ask(bearerd, "GET", "/v1/health", Host=host, Authorization=f"Bearer {bearerd.token()}")
    assert answer.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9181", "[::1]:1", "[::1]", "localhost", "LOCALHOST:80"])
def test_a_literal_host_or_localhost_is_accepted(bearerd: Bearerd, host: str) -> None:
    assert ask(bearerd, "GET", "/v1/health", Host=host, Authorization=f"Bearer {bearerd.token()}").status == 200


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "127.0.0.1"], ["::1"], ["[127.0.0.1]"], ["127.0.0.1:x"], ["a b"]])
def test_a_host_that_is_missing_doubled_or_ill_formed_is_refused(hosts: list[str]) -> None:
    assert not _host_is_literal(hosts)


def test_no_answer_invites_a_web_page(bearerd: Bearerd) -> None:
    preflight = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = ask(bearerd, method, "/v1/revocations", Authorization=f"Bearer {bearerd.token()}", **preflight)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert ask(bearerd, "OPTIONS", "/v1/revocations", **preflight).status == 401


# ---- what it believes


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_does_not_call_itself_json_is_not_read(bearerd: Bearerd, kind: str) -> None:
    body = json.dumps(SUBJECT).encode()
    headers = {"Authorization": f"Bearer {bearerd.token()}"} | ({"Content_Type": kind} if kind else {})
    for method in ("POST", "DELETE"):
        assert ask(bearerd, method, "/v1/revocations", body, **headers).status == 415


def test_a_body_is_bounded(bearerd: Bearerd) -> None:
    body = {**SUBJECT, "value": "x" * 70_000}
    assert bearerd.api("POST", "/v1/revocations", body).status == 413


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        {},
        {"kind": "subject", "issuer": house.ISS},
        {"kind": "subject", "value": "alice"},
        {"kind": "nobody", "issuer": house.ISS, "value": "alice"},
        {**SUBJECT, "value": ""},
        {**SUBJECT, "value": 7},
        {**SUBJECT, "before": "yesterday"},
        {**SUBJECT, "before": -1},
        {**SUBJECT, "before": True},
        {**SUBJECT, "before": 1.5},
        {**SUBJECT, "expires_in": 0},
        {**SUBJECT, "expires_in": "1h"},
        {**SUBJECT, "expires_in": True},
        {**SUBJECT, "expires_in": 1},  # shorter than by default: it may lengthen only
        {**SUBJECT, "ack": "maybe"},
        {**SUBJECT, "befor": 5},
        {**SUBJECT, "token": "a.b.c"},
        {"kind": "issuer", "issuer": house.ISS, "value": "another"},
    ],
)
def test_a_body_that_makes_no_sense_is_400_and_writes_nothing(bearerd: Bearerd, body: Any) -> None:
    before = bearerd.api("GET", "/v1/revocations").json()
    fields = {"Authorization": f"Bearer {bearerd.token()}", "Content-Type": "application/json"}
    answer = request(bearerd.addresses()["admin"], "POST", "/v1/revocations", fields, json.dumps(body).encode())
    assert answer.status == 400
    assert answer.json()["error"]
    assert bearerd.api("GET", "/v1/revocations").json() == before


def test_what_is_not_json_is_400(bearerd: Bearerd) -> None:
    fields = {"Authorization": f"Bearer {bearerd.token()}", "Content-Type": "application/json"}
    answer = request(bearerd.addresses()["admin"], "POST", "/v1/revocations", fields, b"{not json")
    assert (answer.status, answer.json()) == (400, {"error": "the body: not JSON"})


def test_a_member_that_is_said_twice_is_400(bearerd: Bearerd) -> None:
    fields = {"Authorization": f"Bearer {bearerd.token()}", "Content-Type": "application/json"}
    body = json.dumps(SUBJECT).encode().replace(b'{"kind"', b'{"kind": "issuer", "kind"', 1)
    answer = request(bearerd.addresses()["admin"], "POST", "/v1/revocations", fields, body)
    assert (answer.status, "two members of one name" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=-1", "limit=1e3", "after=²"])
def test_a_page_that_makes_no_sense_is_400(bearerd: Bearerd, query: str) -> None:
    from urllib.parse import quote

    assert bearerd.api("GET", f"/v1/revocations?{quote(query, safe='=')}").status == 400


def test_unknown_paths_and_methods_are_told_without_repeating_them(bearerd: Bearerd) -> None:
    unknown = bearerd.api("GET", "/v1/secret-path")
    assert unknown.status == 404
    assert b"secret" not in unknown.body
    wrong = bearerd.api("PUT", "/v1/revocations")
    assert wrong.status == 405
    assert set(wrong.headers["allow"].split(",")) >= {"GET", "POST", "DELETE"}


# ---- what it does


def test_a_subject_is_revoked_in_every_worker_listed_and_lifted(bearerd: Bearerd) -> None:
    good = house.token(sub="bob", jti="of-bob")
    assert bearerd.decide(token=good).status == 200
    written = bearerd.api("POST", "/v1/revocations", {**SUBJECT, "value": "bob"})
    assert written.status == 201
    said = written.json()
    assert said["acknowledged"] == "enforced"
    assert said["durability"] in ("fsync", "memory")
    for _ in range(16):
        assert bearerd.decide(token=good).status == 401
    assert bearerd.decide(token=house.token(sub="carol")).status == 200
    listed = bearerd.api("GET", "/v1/revocations?limit=1000").json()
    assert [entry for entry in listed["revocations"] if entry["sequence"] == said["sequence"]]
    lifted = bearerd.api("DELETE", "/v1/revocations", {**SUBJECT, "value": "bob"})
    assert lifted.status == 201
    for _ in range(16):
        assert bearerd.decide(token=good).status == 200

    def told() -> list[dict[str, Any]]:
        return [event for event in bearerd.events("revocation") if event.get("via") == "admin"]

    wait_for(lambda: {event["act"] for event in told()} >= {"revoke", "lift"})
    assert "bob" not in json.dumps(told())


def test_a_token_is_revoked_by_itself_only_if_it_verifies(bearerd: Bearerd) -> None:
    good, other = house.token(sub="dave", jti="one"), house.token(sub="dave", jti="two")
    head, _, signature = good.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    refused = bearerd.api("POST", "/v1/revocations", {"token": forged})
    assert (refused.status, refused.json()["code"]) == (400, "bad_signature")
    assert bearerd.decide(token=good).status == 200  # a forger cannot have others revoked
    written = bearerd.api("POST", "/v1/revocations", {"token": good})
    assert written.status == 201
    assert (written.json()["kind"], written.json()["value"]) == ("token", "one")
    for _ in range(8):
        assert bearerd.decide(token=good).status == 401
        assert bearerd.decide(token=other).status == 200
    assert bearerd.api("DELETE", "/v1/revocations", {"token": good}).status == 201
    assert bearerd.decide(token=good).status == 200


def test_a_cut_off_revokes_what_was_issued_until_then(bearerd: Bearerd) -> None:
    now = int(time.time())
    old, new = (house.token(sub="erin", jti=f"e{iat}", iat=iat, exp=now + 600) for iat in (now - 100, now - 20))
    assert bearerd.api("POST", "/v1/revocations", {**SUBJECT, "value": "erin", "before": now - 50}).status == 201
    assert bearerd.decide(token=old).status == 401
    assert bearerd.decide(token=new).status == 200


def test_the_list_is_paged(bearerd: Bearerd) -> None:
    for number in range(3):
        body = {"kind": "session", "issuer": house.ISS, "value": f"s{number}", "ack": "stored"}
        assert bearerd.api("POST", "/v1/revocations", body).status == 201
    whole = bearerd.api("GET", "/v1/revocations?limit=1000").json()
    assert whole["next"] is None
    found, after = [], 0
    while after is not None:
        page = bearerd.api("GET", f"/v1/revocations?limit=1&after={after}").json()
        assert len(page["revocations"]) <= 1
        found += page["revocations"]
        after = page["next"]
    assert found == whole["revocations"]
    sessions = found[-3:]
    assert {entry["before"] for entry in sessions} == {"all"}
    assert {entry["expires"] for entry in sessions} == {None}


def test_a_reset_takes_the_fleet_s_name(bearerd: Bearerd) -> None:
    assert bearerd.api("POST", "/v1/revocations", {**SUBJECT, "value": "frank"}).status == 201
    token = house.token(sub="frank", jti="of-frank")
    assert bearerd.api("POST", "/v1/revocations/reset", {"fleet": "another"}).status == 400
    assert bearerd.api("POST", "/v1/revocations/reset", {}).status == 400
    assert bearerd.decide(token=token).status == 401
    assert bearerd.api("POST", "/v1/revocations/reset", {"fleet": "default"}).status == 201
    for _ in range(8):
        assert bearerd.decide(token=token).status == 200


def test_a_refusal_is_told_by_its_id_whichever_worker_made_it(bearerd: Bearerd) -> None:
    ids = [
        bearerd.decide(token=house.token(aud="https://elsewhere.example/")).headers["x-auth-request-id"]
        for _ in range(8)
    ]
    for request_id in ids:
        told = bearerd.api("GET", f"/v1/decisions/{request_id}")
        assert told.status == 200
        assert told.json()["code"] == "wrong_audience"
        assert told.json()["request_id"] == request_id
    assert bearerd.api("GET", f"/v1/decisions/{'0' * 32}").status == 404
    assert bearerd.api("GET", "/v1/decisions/short").status == 400


def test_explain_asks_a_worker_and_counts_nothing(bearerd: Bearerd) -> None:
    before = bearerd.metric("bearerd_decisions_total")
    question = {"resource": "api", "token": house.token(), "method": "GET", "path": "/orders/1"}
    told = bearerd.api("POST", "/v1/explain", question)
    assert (told.status, told.json()["allowed"]) == (200, True)
    refused = bearerd.api("POST", "/v1/explain", {**question, "path": "/elsewhere"}).json()
    assert (refused["allowed"], refused["code"]) == (False, "forbidden")
    unknown = bearerd.api("POST", "/v1/explain", {**question, "resource": "nothing"}).json()
    assert unknown["code"] == "unknown_resource"
    assert bearerd.api("POST", "/v1/explain", {"token": "x"}).status == 400
    assert bearerd.metric("bearerd_decisions_total") == before


def test_keys_and_health_tell_of_each_issuer_and_worker(bearerd: Bearerd) -> None:
    (issuer,) = bearerd.api("GET", "/v1/keys").json()["issuers"]
    assert (issuer["name"], issuer["loaded"], issuer["keys"]) == ("test", True, 1)
    health = bearerd.api("GET", "/v1/health").json()
    assert health["ready"] is True
    assert {tuple(worker["serves"]) for worker in health["workers"]} == {(0,), (1,)}
    assert all(worker["health"]["store_up"] for worker in health["workers"])


def test_a_token_in_a_body_never_reaches_the_log(bearerd: Bearerd) -> None:
    token = house.token(jti="canary-in-a-body")
    bearerd.api("POST", "/v1/explain", {"resource": "api", "token": token})
    bearerd.api("POST", "/v1/revocations", {"token": token + "x"})
    bearerd.api("POST", "/v1/revocations", {"token": token, "ack": "stored"})
    wait_for(lambda: bearerd.events("revocation"))
    log = bearerd.log.read_text()
    for part in token.split("."):
        assert part not in log
    assert bearerd.token() not in log


def test_restart_replaces_every_worker(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as running:
        (before,) = running.pids().values()
        assert running.api("POST", "/v1/restart").json() == {"restarted": True}
        assert before not in running.pids().values()
        assert running.decide(token=house.token()).status == 200


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read() -> bytes:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(admin, "BODY_SECONDS", 0.05)
    with pytest.raises(web.HTTPRequestTimeout):
        await admin._json(SimpleNamespace(content_type="application/json", read=read))  # type: ignore[arg-type]
