"""What only Envoy does: access logs that know who it was, resources by route, and its settings that would open a door."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import Stage
from support.bearerd import wait_for

from bearerd.decision import Decision
from bearerd.faces import answer
from bearerd.refusals import TABLE, Code
from gateways.conftest import ENVOYS, Gateway, said, start, watching

pytestmark = pytest.mark.timeout(300)
RAW = "encode_raw_headers: true"


@pytest.fixture(scope="module", params=ENVOYS)
def envoy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Envoy as it asks by HTTP, and by gRPC."""
    yield from start(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def by_grpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from start("envoy-grpc", tmp_path_factory.mktemp("by-grpc"))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def logged(gateway: Gateway) -> list[dict[str, Any]]:
    """The access log so far."""
    found = []
    for line in gateway.stage.log(gateway.name).read_text().splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def next_line(gateway: Gateway, ask: Callable[[], Any]) -> dict[str, Any]:
    """What the access log says of a request."""
    before, settled = -1, len(logged(gateway))
    while before != settled:  # lines of requests before are written after some 50 ms
        before = settled
        time.sleep(0.2)
        settled = len(logged(gateway))
    ask()
    return wait_for(lambda: logged(gateway)[before:])[0]


def test_the_access_log_names_the_verified_subject_and_nobody_else(envoy: Gateway) -> None:
    token = envoy.token()
    assert next_line(envoy, lambda: envoy.ask("/orders/7", token))["subject"] == "alice"
    refused = next_line(envoy, lambda: envoy.ask("/orders/7", token, X_Auth_Subject="root"))
    assert (refused["status"], refused["subject"]) == (403, None)
    assert next_line(envoy, lambda: envoy.ask("/orders/7"))["subject"] is None
    assert not next_line(envoy, lambda: envoy.ask("/health"))["subject"]  # by HTTP, an empty header's value
    assert "root" not in envoy.stage.log(envoy.name).read_text()


def test_by_grpc_it_has_claims_and_why_a_request_was_refused(by_grpc: Gateway) -> None:
    allowed = next_line(by_grpc, lambda: by_grpc.ask("/orders/7", by_grpc.token()))
    assert allowed["client"]
    assert allowed["token"]  # jti
    assert allowed["refused"] is allowed["request_id"] is None
    answers = []
    refused = next_line(by_grpc, lambda: answers.append(by_grpc.ask("/orders/7", by_grpc.token(), "DELETE")))
    assert refused["refused"] == "insufficient_scope"
    assert refused["request_id"] == answers[0].headers["x-auth-request-id"]
    assert b'"code"' not in answers[0].body


def test_a_route_may_name_another_resource(by_grpc: Gateway) -> None:
    reports = by_grpc.audience + "reports"
    assert by_grpc.ask("/reports/1", by_grpc.token()).status == 401  # a token for the other one
    assert 'realm="reports"' in by_grpc.ask("/reports/1").headers["www-authenticate"]
    assert by_grpc.ask("/reports/1", by_grpc.token(scope="reports", audience=reports)).status == 200
    assert by_grpc.ask("/reports/1", by_grpc.token(scope="api", audience=reports)).status == 403
    assert by_grpc.ask("/orders/1", by_grpc.token(scope="reports", audience=reports)).status == 401
    assert by_grpc.ask("/reportsx", by_grpc.token(scope="reports", audience=reports)).status == 401


def test_a_route_that_names_no_resource_lets_nobody_through(fresh: Callable[..., Gateway]) -> None:
    gateway = fresh("envoy-grpc", {"check_settings: { context_extensions: { resource: api } }": "check_settings: {}"})
    for path in ("/health", "/orders/7"):
        answer = gateway.ask(path, gateway.token())
        assert answer.status == 403
        assert answer.upstream_saw() is None


@pytest.mark.parametrize("raw", [True, False])
def test_a_path_that_envoy_cannot_write_down_is_refused(fresh: Callable[..., Gateway], raw: bool) -> None:
    """Without raw header fields it says ``!`` for each byte that is no UTF-8, and passes on the byte."""
    gateway = fresh("envoy-grpc", {} if raw else {RAW: "encode_raw_headers: false"})
    bearer = f"Authorization: Bearer {gateway.token()}"
    assert status(gateway.say("/orders/7", bearer)) == 200
    assert status(gateway.say("/orders/!", bearer)) == (200 if raw else 403)
    assert status(gateway.say("/orders/\xff", bearer)) in (400, 403)
    assert status(gateway.say("/orders/7", bearer, bearer)) == 400
    assert status(gateway.say("/orders/7", bearer, "X~Auth~Subject: root")) == 403
    assert status(gateway.say("/orders/7", bearer, "X-Other: \xff")) in (200, 400)


@pytest.mark.parametrize("code", [Code.STALE_STATE, Code.INTERNAL_ERROR, Code.FORBIDDEN])
def test_what_bearerd_refuses_stays_refused_where_failures_are_allowed(tmp_path: Path, code: Code) -> None:
    """``failure_mode_allow`` is for a bearerd that does not answer.  One that does is believed, in a 503 as well."""
    with Stage.on_free_ports(tmp_path) as stage:
        stage.changes |= {"failure_mode_allow: false": "failure_mode_allow: true"}
        stage.start_upstream()
        with watching("envoy-grpc", stage) as watched:
            decision = Decision(False, TABLE[code].outcome, code, TABLE[code].status, resource="api")
            watched.witness.answer = answer.answer(decision, "id", "grpc")
            found = said(watched.port, "/orders/7")
            assert status(found) == TABLE[code].status
            assert b'"body_bytes"' not in found


def test_a_grpc_client_is_refused_in_its_own_words_with_the_challenge(by_grpc: Gateway) -> None:
    """Envoy makes 16 (UNAUTHENTICATED) of 401, and keeps the header fields."""
    found = by_grpc.say("/orders.v1.Orders/Get", "Content-Type: application/grpc", "TE: trailers", method="POST")
    assert b"\r\ngrpc-status: 16\r\n" in found
    assert b'\r\nwww-authenticate: Bearer realm="api"' in found
    assert b'"body_bytes"' not in found
