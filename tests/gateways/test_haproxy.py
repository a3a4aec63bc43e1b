"""What is HAProxy's alone: a script asks for it, and whatever goes wrong in that script opens nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from gateways.conftest import Gateway

pytestmark = pytest.mark.timeout(300)
HAPROXY = pytest.mark.parametrize("gateway", ["haproxy"], indirect=True)

ASKED = 'local BEARERD = "127.0.0.1:9180"'
ASK = "core.httpclient():get({"
FAULTS = {
    "it cannot ask": {ASK: "core.nothing():get({"},
    "it asks nobody": {ASKED: 'local BEARERD = "unix@nowhere.sock"'},
    "it forgets the verdict": {'txn:set_var("txn.bearerd_allowed", true)': ""},
    "it cannot identify": {"txn.http:req_add_header(name, values[1])": "txn.http:nothing(name)"},
    "it is not called": {"    http-request lua.bearerd api unless metadata\n": ""},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_goes_wrong_in_the_script_nothing_passes(fresh: Callable[..., Gateway], fault: str) -> None:
    gateway = fresh("haproxy", FAULTS[fault])
    for bearer in (gateway.token(), None):
        for path in ("/orders/7", "/admin"):
            answer = gateway.ask(path, bearer)
            assert answer.status in (401, 403, 503)
            assert answer.upstream_saw() is None
    assert gateway.ask("/orders/7", gateway.token()).status == 503


def test_what_haproxy_answers_itself_is_json(fresh: Callable[..., Gateway]) -> None:
    gateway = fresh("haproxy", FAULTS["it is not called"])
    tries = {411: ("/health", "Transfer-Encoding: chunked"), 400: ("*",), 503: ("/health",)}
    for status, (target, *lines) in tries.items():
        head, _, body = gateway.say(target, *lines).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert json.loads(body)["status"] == status


def test_the_script_may_ask_by_a_door_of_haproxy_s_own(fresh: Callable[..., Gateway]) -> None:
    """As the guide says for TLS and for several bearerds."""
    door = "frontend bearerd_door\n    bind unix@door.sock mode 600\n    default_backend bearerd\n\nbackend bearerd\n"
    gateway = fresh("haproxy", {"backend bearerd\n": door, ASKED: 'local BEARERD = "unix@door.sock"'})
    assert gateway.ask("/orders/7").status == 401
    assert gateway.ask("/orders/7", gateway.token()).status == 200
    assert (gateway.stage.folder / "haproxy" / "door.sock").stat().st_mode & 0o177 == 0
    gateway.stage.stop("bearerd")
    assert gateway.ask("/orders/7", gateway.token()).status == 503


@HAPROXY
def test_a_long_token_is_carried_whole(gateway: Gateway) -> None:
    """Of the longest that bearerd takes; HAProxy's own buffers would be too short for a question with it."""
    answer = gateway.ask("/orders/7", "a." * 4_000 + "a")
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    target = "/orders/" + "7" * 12_000
    assert gateway.ask(target, gateway.token()).status == 200


@HAPROXY
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_refusal_leaves_the_connection_usable(gateway: Gateway, method: str) -> None:
    good = gateway.token()
    with socket.create_connection(("127.0.0.1", gateway.stage.ports["haproxy"]), timeout=20) as wire:
        wire.sendall(f"{method} /orders/7 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        first = b""
        while b"\r\n\r\n" not in first or (method != "HEAD" and b"}\n" not in first):
            first += wire.recv(65536)
        lines = f"Authorization: Bearer {good}\r\nConnection: close"
        wire.sendall(f"GET /orders/7 HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode())
        second = b"".join(iter(lambda: wire.recv(65536), b""))
    assert first.startswith(b"HTTP/1.1 401 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    assert b'"alice"' in second
