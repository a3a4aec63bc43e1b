"""gRPC on a real connection: what is answered there, what is not, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from support.calls import METHOD, Line, asked, bearer
from support.certificates import Authority, authority
from support.house import token

from bearerd.config import papers
from bearerd.config.model import Tls
from bearerd.config.papers import Papers
from bearerd.faces.grpc import authorization

HEALTH = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
Code = grpc.StatusCode


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_a_check_is_answered(tmp_path: Path) -> None:
    async with Line(tmp_path) as line:
        assert (await line.call(asked(bearer()))).HasField("ok_response")
        assert (await line.call(asked())).denied_response.status.code == 401
        found = await asyncio.gather(*(line.call(asked(bearer())) for _ in range(50)))
        assert all(one.HasField("ok_response") for one in found)


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.channelz.v1.Channelz/GetServers",
        "/envoy.service.auth.v2.Authorization/Check",
        f"{METHOD}s",
        "/grpc.health.v1.Health/List",
    ],
)
async def test_nothing_else_is_there_reflection_neither(tmp_path: Path, method: str) -> None:
    async with Line(tmp_path) as line:
        assert await refused(line.channel.unary_unary(method)(b"")) is Code.UNIMPLEMENTED


async def test_a_message_beyond_the_bound_ends_its_call_and_no_other(tmp_path: Path) -> None:
    async with Line(tmp_path, limits={"max_grpc_message_bytes": 16_384, "max_head_bytes": 16_384}) as line:
        huge = asked(bearer(), ("x", "x" * 20_000))
        assert await refused(line.call(huge)) is Code.RESOURCE_EXHAUSTED
        assert (await line.call(asked(bearer()))).HasField("ok_response")


async def test_a_compressed_message_is_refused_before_it_can_grow(tmp_path: Path) -> None:
    async with Line(tmp_path) as line:
        bomb = asked(bearer(), ("x", "x" * 20_000))
        async with line.connect(compression=grpc.Compression.Gzip) as channel:
            assert await refused(line.call(bomb, channel)) is Code.UNIMPLEMENTED
        assert (await line.call(asked(bearer()))).HasField("ok_response")


async def test_metadata_beyond_the_bound_ends_its_call(tmp_path: Path) -> None:
    async with Line(tmp_path) as line:
        many = (("x-much", "x" * 9_000),)
        assert await refused(line.call(asked(bearer()), metadata=many)) is Code.RESOURCE_EXHAUSTED
        assert (await line.call(asked(bearer()), metadata=(("x-little", "x"),))).HasField("ok_response")


async def test_connections_are_bounded(tmp_path: Path) -> None:
    async with Line(tmp_path, limits={"max_connections": 16}) as line:
        held = [socket.create_connection(("127.0.0.1", int(line.address.rpartition(":")[2]))) for _ in range(16)]
        try:
            with pytest.raises(grpc.aio.AioRpcError):
                await line.call(asked(bearer()), timeout=1.0)
        finally:
            for one in held:
                one.close()
        assert (await line.call(asked(bearer()), wait_for_ready=True)).HasField("ok_response")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


async def test_who_never_reads_an_answer_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No window of HTTP/2's is ever opened for it."""
    monkeypatch.setattr("bearerd.serve.rpc.AGE_SECONDS", 1.0)
    monkeypatch.setattr("bearerd.serve.rpc.STALLED_SECONDS", 1.0)
    fields = {":method": "POST", ":scheme": "http", ":path": METHOD, ":authority": "a", "te": "trailers"}
    fields |= {"content-type": "application/grpc"}
    head = b"".join(b"\0" + bytes([len(a)]) + a.encode() + bytes([len(b)]) + b.encode() for a, b in fields.items())
    message = asked().SerializeToString()
    async with Line(tmp_path) as line:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(line.address.rpartition(":")[2]))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"\0\4" + bytes(4)))
        writer.write(_frame(1, 4, 1, head) + _frame(0, 1, 1, b"\0" + len(message).to_bytes(4) + message))
        await asyncio.wait_for(reader.read(-1), 10)
        writer.close()


async def test_a_call_that_waits_ends_by_its_deadline_with_an_answer(tmp_path: Path) -> None:
    from support.house import issuer

    remote = issuer(jwks=None, jwks_uri="https://issuer.example/keys")
    async with Line(tmp_path, issuer=[remote]) as line:
        line.house.service.flights._resolve = lambda _: asyncio.Event().wait()
        found = await line.call(asked(bearer()), timeout=1.0)
        assert found.denied_response.status.code == 503
        assert line.why(found) == "issuer_unavailable"


async def test_a_client_that_hangs_up_leaves_nobody_waiting(tmp_path: Path) -> None:
    from support.house import issuer

    remote = issuer(jwks=None, jwks_uri="https://issuer.example/keys")
    async with Line(tmp_path, issuer=[remote]) as line:
        flights = line.house.service.flights
        flights._resolve = lambda _: asyncio.Event().wait()
        call = asyncio.ensure_future(line.call(asked(bearer())))
        while not flights.waiting:
            await asyncio.sleep(0.001)
        call.cancel()
        while flights.waiting or line.rpc._check.under_way:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("service", ["", authorization.SERVICE])
async def test_health_follows_readiness(tmp_path: Path, service: str) -> None:
    async with Line(tmp_path) as line:
        ask = line.channel.unary_unary(HEALTH, response_deserializer=HealthCheckResponse.FromString)
        request = HealthCheckRequest(service=service).SerializeToString()
        assert (await ask(request)).status == HealthCheckResponse.SERVING
        view = line.house.service.view
        before, view._counted = view._counted, -1e9  # long ago
        assert (await ask(request)).status == HealthCheckResponse.NOT_SERVING
        view._counted = before
        assert (await ask(request)).status == HealthCheckResponse.SERVING


async def test_health_knows_no_other_service_and_reads_no_rubbish(tmp_path: Path) -> None:
    async with Line(tmp_path) as line:
        ask = line.channel.unary_unary(HEALTH)
        other = HealthCheckRequest(service="other").SerializeToString()
        assert await refused(ask(other)) is Code.NOT_FOUND
        assert await refused(ask(b"\xff")) is Code.INVALID_ARGUMENT
        watch = line.channel.unary_stream(WATCH, response_deserializer=HealthCheckResponse.FromString)(other)
        assert (await watch.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
        watch.cancel()


async def test_whoever_watches_is_told_of_each_change_and_let_go_at_the_end(tmp_path: Path) -> None:
    async with Line(tmp_path) as line:
        watch = line.channel.unary_stream(WATCH, response_deserializer=HealthCheckResponse.FromString)(b"")
        assert (await watch.read()).status == HealthCheckResponse.SERVING
        line.house.service.view._counted = -1e9
        assert (await watch.read()).status == HealthCheckResponse.NOT_SERVING
        leaving = asyncio.ensure_future(line.rpc.leave(5.0))
        assert await watch.read() is grpc.aio.EOF
        await leaving


async def test_those_who_watch_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bearerd.faces.grpc import health

    monkeypatch.setattr(health, "MOST_WATCHERS", 2)
    async with Line(tmp_path) as line:
        held = [line.channel.unary_stream(WATCH)(b"") for _ in range(2)]
        for one in held:
            await one.read()
        assert await refused(line.channel.unary_stream(WATCH)(b"").read()) is Code.RESOURCE_EXHAUSTED
        held.pop().cancel()
        while line.rpc._health._watchers == 2:
            await asyncio.sleep(0.001)
        again = line.channel.unary_stream(WATCH)(b"")
        assert await again.read()


async def test_what_is_under_way_is_answered_before_it_ends(tmp_path: Path) -> None:
    from support.house import issuer

    remote = issuer(jwks=None, jwks_uri="https://issuer.example/keys")
    async with Line(tmp_path, issuer=[remote]) as line:
        go = asyncio.Event()
        line.house.service.flights._resolve = lambda _: go.wait()
        call = asyncio.ensure_future(line.call(asked(bearer())))
        while not line.house.service.flights.waiting:
            await asyncio.sleep(0.001)
        leaving = asyncio.ensure_future(line.rpc.leave(10.0))
        await asyncio.sleep(0.05)
        assert not leaving.done()
        go.set()
        assert (await call).denied_response.status.code == 503  # there is no key, and so it is said
        assert await leaving == 0


# ---- TLS


def shown(folder: Path, issuing: Authority, stem: str, clients: Path | None = None) -> Papers:
    issued = issuing.issue(folder, "127.0.0.1", stem=stem)
    return papers.read(
        Tls(certificate_file=issued.certificate, key_file=issued.key, client_ca_file=clients), production=False
    )


def believing(folder: Path, issuing: Authority, own: str | None = None) -> grpc.ChannelCredentials:
    root = issuing.write(folder).read_bytes()
    if own is None:
        return grpc.ssl_channel_credentials(root)
    issued = authority("clients").issue(folder, own)
    return grpc.ssl_channel_credentials(root, issued.key.read_bytes(), issued.certificate.read_bytes())


async def test_tls_is_spoken_where_it_is_configured_and_nothing_else(tmp_path: Path) -> None:
    async with Line(tmp_path, shown(tmp_path, authority(), "a")) as line:
        async with line.connect(credentials=believing(tmp_path, authority())) as channel:
            assert (await line.call(asked(bearer()), channel)).HasField("ok_response")
        assert await refused(line.call(asked(bearer()))) is Code.UNAVAILABLE
        async with line.connect(credentials=believing(tmp_path, authority("others"))) as channel:
            assert await refused(line.call(asked(bearer()), channel)) is Code.UNAVAILABLE


async def test_a_new_certificate_is_shown_to_whoever_connects_and_ends_no_connection(tmp_path: Path) -> None:
    first, second = believing(tmp_path, authority()), believing(tmp_path, authority("others"))
    async with Line(tmp_path, shown(tmp_path, authority(), "a")) as line, line.connect(credentials=first) as old:
        assert (await line.call(asked(bearer()), old)).HasField("ok_response")
        await line.rpc.take(shown(tmp_path, authority("others"), "b"))
        assert (await line.call(asked(bearer()), old)).HasField("ok_response")
        async with line.connect(credentials=second) as new:
            assert (await line.call(asked(bearer()), new)).HasField("ok_response")
        async with line.connect(credentials=first) as late:
            assert await refused(line.call(asked(bearer()), late)) is Code.UNAVAILABLE


async def test_every_address_shows_the_certificate_and_the_new_one(tmp_path: Path) -> None:
    """``localhost`` is two of them."""
    from bearerd.serve import rpc

    holders = [socket.socket() for _ in range(2)]
    for holder in holders:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{holder.getsockname()[1]}" for holder in holders]
    first, second = believing(tmp_path, authority()), believing(tmp_path, authority("others"))

    async def answers(line: Line, address: str, credentials: grpc.ChannelCredentials) -> bool:
        line.address = address
        async with line.connect(credentials=credentials) as channel:
            return bool((await line.call(asked(bearer()), channel)).HasField("ok_response"))

    async with Line(tmp_path) as line:
        served, opened = rpc.Rpc(line.house.service, addresses, 100), asyncio.Event()
        await served.take(shown(tmp_path, authority(), "a"))
        served.begin(opened.set)
        await asyncio.wait_for(opened.wait(), 10.0)
        for address in addresses:
            assert await answers(line, address, first)
        await served.take(shown(tmp_path, authority("others"), "b"))
        for address in addresses:
            assert await answers(line, address, second)
            assert await refused(answers(line, address, first)) is Code.UNAVAILABLE
        assert await served.leave(1.0) == 0
    for holder in holders:
        holder.close()


async def test_a_client_certificate_is_demanded_from_the_reload_on_that_says_so(tmp_path: Path) -> None:
    clients = authority("clients").write(tmp_path, "clients.pem")
    async with Line(tmp_path, shown(tmp_path, authority(), "a")) as line:
        await line.rpc.take(shown(tmp_path, authority(), "b", clients))
        async with line.connect(credentials=believing(tmp_path, authority())) as nobody:
            assert await refused(line.call(asked(bearer()), nobody)) is Code.UNAVAILABLE
        async with line.connect(credentials=believing(tmp_path, authority(), "gateway")) as known:
            assert (await line.call(asked(bearer(token())), known, wait_for_ready=True)).HasField("ok_response")
        await line.rpc.take(None)
        assert (await line.call(asked(bearer()), wait_for_ready=True)).HasField("ok_response")


async def test_a_port_that_cannot_be_had_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from bearerd.serve import rpc

    monkeypatch.setattr(rpc, "RETRY_SECONDS", 0.01)
    with socket.socket() as other:  # without SO_REUSEPORT
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        async with Line(tmp_path) as line:
            second, opened = rpc.Rpc(line.house.service, [address], 100), asyncio.Event()
            second.begin(opened.set)
            while not caplog.records:
                await asyncio.sleep(0.005)
            assert not opened.is_set()
            other.close()
            await opened.wait()
            assert await second.leave(1.0) == 0
