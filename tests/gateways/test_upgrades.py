"""Requests to change the protocol, before an upstream that would: WebSockets as the guides allow them, and nothing else."""

from __future__ import annotations

import contextlib
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
        "\t\t\trequest_header @other -Upgrade\n",
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
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    return said(port, "/socket", f"Connection: {connection}", f"Upgrade: {protocol}", key, "Sec-WebSocket-Version: 13")


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
