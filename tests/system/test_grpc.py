"""A real bearerd whose workers answer gRPC: from its start to its end, through restarts, crashes and reloads."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")

import grpc
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from support.bearerd import Bearerd, config, wait_for
from support.calls import METHOD, asked, bearer, header
from support.canaries import Canaries
from support.certificates import Authority, authority
from support.house import API, token

RESOURCE = f"""
[resource.api]
identifier = "{API}"
gateway = ["forwarded", "grpc"]

[[resource.api.rule]]
path = "/orders/**"
scopes = ["%s"]
"""
HERE = "127.0.0.1"


def text(scope: str = "read", place: str = f"{HERE}:0", more: str = "", **rest: Any) -> str:
    return config(server=f'grpc = "{place}"\n{more}', resource=RESOURCE % scope, **rest)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    with Bearerd(tmp_path_factory.mktemp("grpc"), text()) as bearerd:
        yield bearerd


def place(bearerd: Bearerd) -> str:
    (found,) = bearerd.addresses()["grpc"]
    return str(found)


def call(bearerd: Bearerd, request: Any, credentials: grpc.ChannelCredentials | None = None) -> Any:
    """One Check on a connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    made = (
        grpc.insecure_channel(place(bearerd), own)
        if credentials is None
        else grpc.secure_channel(place(bearerd), credentials, own)
    )
    with made as channel:
        return CheckResponse.FromString(channel.unary_unary(METHOD)(request.SerializeToString(), timeout=20.0))


def status(bearerd: Bearerd, request: Any) -> int:
    """The status meant for the client; 0 where nobody answers."""
    try:
        found = call(bearerd, request)
    except grpc.RpcError:
        return 0
    return 200 if found.HasField("ok_response") else int(found.denied_response.status.code)


def test_once_bearerd_is_ready_every_worker_answers_grpc(house: Bearerd) -> None:
    for _ in range(24):  # the kernel spreads connections over the workers
        assert status(house, asked(bearer())) == 200


def test_decisions_are_counted_told_and_explained(house: Bearerd) -> None:
    before = house.metric("bearerd_decisions_total", face="grpc", code="missing_token")
    found = call(house, asked())
    request_id = header(found, "x-auth-request-id")
    wait_for(lambda: house.metric("bearerd_decisions_total", face="grpc", code="missing_token") == before + 1)
    (line,) = wait_for(lambda: [one for one in house.events() if one.get("request_id") == request_id])
    assert (line["face"], line["code"], line["peer"]) == ("grpc", "missing_token", HERE)
    told = house.cli("explain", "--request", request_id)
    assert "missing_token" in told.stdout, told.stderr


def test_the_port_is_held_and_nobody_else_can_take_it(house: Bearerd) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((HERE, int(place(house).rpartition(":")[2])))


def test_a_port_that_another_listens_on_is_told_at_the_start(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((HERE, 0))
        other.listen()
        taken = f"{HERE}:{other.getsockname()[1]}"
        bearerd = Bearerd(tmp_path, text(place=taken))
        with pytest.raises(AssertionError, match="ended with 2"):
            bearerd.start()
        assert f"cannot listen on {taken}" in bearerd.log.read_text()


def test_no_credential_is_in_the_log_whatever_is_sent(house: Bearerd) -> None:
    canaries = Canaries()
    secret = canaries.new("token")
    for request in (
        asked(("authorization", f"Bearer {secret}")),
        asked(("authorization", f"Bearer {secret}"), ("authorization", f"Bearer {secret}")),
        asked(path=f"/orders/1?access_token={secret}"),
        asked(("x", f"Bearer {secret}\x00\xff")),
        asked(name=f"{secret}/"),
    ):
        assert status(house, request) in (400, 401, 403)
    with grpc.insecure_channel(place(house)) as channel:
        broken = b"\x0a\xff" + secret.encode()
        CheckResponse.FromString(channel.unary_unary(METHOD)(broken, timeout=20.0))
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(f"/{secret}/Check")(broken, timeout=20.0, metadata=(("authorization", secret),))
    assert canaries.leaks(house.log.read_text()) == []


def test_a_reload_holds_for_grpc_and_another_address_waits_for_a_restart(tmp_path: Path) -> None:
    with Bearerd(tmp_path, text()) as bearerd:
        assert status(bearerd, asked(bearer())) == 200
        before = place(bearerd)
        bearerd.write(text(scope="admin", place=f"{HERE}:1"))
        told = bearerd.api("POST", "/v1/reload").json()
        assert told["problem"] is None
        assert "server.grpc" in str(bearerd.api("GET", "/v1/health").json()["restart_needed_for"])
        assert {status(bearerd, asked(bearer())) for _ in range(8)} == {403}
        assert place(bearerd) == before


def test_a_rolling_restart_and_a_crash_end_with_the_port_served_again(tmp_path: Path) -> None:
    """No call is promised to survive; none is allowed that should not be, and after it all are answered."""
    with Bearerd(tmp_path, text()) as bearerd:
        before = bearerd.pids()
        assert bearerd.api("POST", "/v1/restart").status == 200
        assert set(bearerd.pids().values()).isdisjoint(before.values())
        assert {status(bearerd, asked(bearer())) for _ in range(12)} == {200}
        assert {status(bearerd, asked()) for _ in range(12)} == {401}
        os.kill(bearerd.pids()[0], signal.SIGKILL)
        wait_for(lambda: bearerd.ready() and status(bearerd, asked(bearer())) == 200)
        assert {status(bearerd, asked(bearer(token(scope="x")))) for _ in range(12)} == {403}
        assert bearerd.stop() == 0


def test_the_end_is_told_to_whoever_is_connected_and_the_port_is_free_again(tmp_path: Path) -> None:
    with Bearerd(tmp_path, text(workers=1)) as bearerd:
        where = place(bearerd)
        with grpc.insecure_channel(where) as channel:
            ask = channel.unary_unary(METHOD)
            assert CheckResponse.FromString(ask(asked(bearer()).SerializeToString(), timeout=20.0)).status.code == 0
            assert bearerd.stop() == 0
            with pytest.raises(grpc.RpcError):
                ask(asked(bearer()).SerializeToString(), timeout=5.0)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HERE, int(where.rpartition(":")[2])))


def test_mtls_holds_on_this_port_too_and_a_renewed_certificate_is_shown(tmp_path: Path) -> None:
    issued = authority().issue(tmp_path, HERE)
    clients = authority("clients").write(tmp_path, "clients.pem")
    own = authority("clients").issue(tmp_path, "gateway")
    folder = tmp_path / "b"
    tls = authority().client(own)

    def trusting(issuing: Authority, *, shows: bool = True) -> grpc.ChannelCredentials:
        root = issuing.write(tmp_path).read_bytes()
        pair = (own.key.read_bytes(), own.certificate.read_bytes()) if shows else ()
        return grpc.ssl_channel_credentials(root, *pair)

    with Bearerd(folder, text(more=issued.table(client_ca_file=clients)), tls=tls) as bearerd:
        assert call(bearerd, asked(bearer()), trusting(authority())).HasField("ok_response")
        with pytest.raises(grpc.RpcError):
            call(bearerd, asked(bearer()), trusting(authority(), shows=False))
        assert status(bearerd, asked(bearer())) == 0  # in the clear
        authority("others").issue(tmp_path, HERE)  # into the same files

        def renewed() -> bool:
            try:
                return bool(call(bearerd, asked(bearer()), trusting(authority("others"))).HasField("ok_response"))
            except grpc.RpcError:
                return False

        wait_for(renewed)
