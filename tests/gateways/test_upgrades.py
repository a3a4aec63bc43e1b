"""Requests to change the protocol, before an upstream that would: WebSockets as the guides allow them, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Stage

from gateways.conftest import said, watching
from gateways.grpc_witness import GrpcWitness
from gateways.witness import Witness

UPGRADE = "\t\t\trequest_header -Upgrade\n"
TOKEN = "\t\t\trequest_header -Authorization\n"
METADATA = "    # Where clients find out"
ALLOWED = {  # what the guides say
    "caddy": {
        UPGRADE: "\t\t\t@websocket header Upgrade websocket\n\t\t\t@other not header Upgrade websocket\n"
        "\t\t\trequest_header @other -Upgrade\n\t\t\trequest_header @websocket Upgrade websocket\n",
        TOKEN: TOKEN + "\t\t\trequest_header @websocket Connection Upgrade\n",
    },
    "traefik": {
        METADATA: "    sockets:\n      rule: PathPrefix(`/`) && Header(`Upgrade`, `websocket`)\n"
        "      middlewares: [ask-bearerd]\n      service: app\n" + METADATA,
    },
}


class Willing(socketserver.StreamRequestHandler):
    """An upstream that changes to whatever protocol it is asked for, and says for whom."""

    def handle(self) -> None:
        head = b"".join(iter(self.rfile.readline, b"\r\n")).lower()
        whom = b"for somebody" if b"\r\nx-auth-subject: witness\r\n" in head else b"for nobody"
        if b"\r\nupgrade: " in head:
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ")
            self.wfile.write(head.partition(b"\r\nupgrade: ")[2].partition(b"\r\n")[0] + b"\r\n\r\n" + whom)
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + whom)


@contextlib.contextmanager
def upstream(port: int) -> Iterator[None]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Willing) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


@contextlib.contextmanager
def behind(name: str, folder: Path, changes: dict[str, str]) -> Iterator[tuple[int, Witness | GrpcWitness]]:
    with Stage.on_free_ports(folder) as stage:
        stage.changes |= changes
        with upstream(stage.ports["upstream"]), watching(name, stage) as watched:
            yield watched.port, watched.witness


def handshake(port: int, protocol: str, connection: str = "Upgrade") -> bytes:
    """``protocol``: several lines of them with a line end between."""
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    protocols = [f"Upgrade: {one}" for one in protocol.split("\n")]
    return said(port, "/socket", f"Connection: {connection}", *protocols, key, "Sec-WebSocket-Version: 13")


def test_no_protocol_is_changed_unless_it_is_allowed(tmp_path: Path, name: str) -> None:
    with behind(name, tmp_path, {}) as (port, _):
        for protocol in ("websocket", "h2c", "anything"):
            answer = handshake(port, protocol, "close, Upgrade")
            assert answer.split(b" ", 2)[1] in (b"200", b"403"), answer  # Envoy: 403


@pytest.mark.parametrize("name", ALLOWED)
def test_websockets_are_decided_like_any_request_where_the_guide_is_followed(tmp_path: Path, name: str) -> None:
    with behind(name, tmp_path, ALLOWED[name]) as (port, witness):
        for connection in ("Upgrade", "keep-alive, Upgrade", "Upgrade, X-Auth-Subject"):
            witness.questions.clear()
            answer = handshake(port, "websocket", connection)
            assert answer.startswith(b"HTTP/1.1 101 ")
            assert answer.endswith(b"for somebody")
            assert len(witness.questions) == 1
        for protocol in ("h2c", "websocket, h2c"):
            assert handshake(port, protocol, "close, Upgrade").startswith(b"HTTP/1.1 200 ")
        for protocol in ("h2c\nwebsocket", "websocket\nh2c", "h2c, x\nwebsocket"):
            answer = handshake(port, protocol, "close, Upgrade").lower()
            assert answer.startswith((b"http/1.1 101 ", b"http/1.1 200 "))
            assert b"h2c" not in answer  # the one protocol that was allowed, or none


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def received(wire: socket.socket) -> tuple[int, int, int, bytes]:
    """Kind, flags, stream and payload of the next frame."""
    head = wire.recv(9, socket.MSG_WAITALL)
    payload = wire.recv(int.from_bytes(head[:3], "big"), socket.MSG_WAITALL)
    return head[3], head[4], int.from_bytes(head[5:], "big"), payload


def extended_connect(port: int) -> tuple[bytes, bytes]:
    """A WebSocket as HTTP/2 and HTTP/3 ask for it: what the server offers, and what the stream brings until it ends or rests."""
    asked = ((b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":authority", b"x"))
    fields = (*asked, (b":path", b"/socket"), (b"sec-websocket-version", b"13"))
    block = b"".join(bytes((0, len(name))) + name + bytes((len(value),)) + value for name, value in fields)
    offered = brought = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire, contextlib.suppress(TimeoutError):
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 4, 1, block))
        ended = False
        while not ended and b"for somebody" not in brought:
            kind, flags, stream, payload = received(wire)
            offered += payload if kind == 4 else b""
            brought += payload if kind == 0 else b""
            ended = stream == 1 and (kind == 3 or (kind in (0, 1) and bool(flags & 1)))
    return offered, brought


@pytest.mark.parametrize("changes", [{}, ALLOWED["caddy"]], ids=["closed", "websockets"])
def test_caddy_makes_no_upgrade_of_a_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    """By HTTP/3, which Caddy speaks wherever it has TLS, this needs no switch; what it does with it is the same."""
    monkeypatch.setenv("GODEBUG", "http2xconnect=1")
    with behind("caddy", tmp_path, changes) as (port, witness):
        witness.questions.clear()
        offered, brought = extended_connect(port)
        assert b"\x00\x08\x00\x00\x00\x01" in offered  # else it refused by itself
        assert brought == b""
        assert witness.questions == []
