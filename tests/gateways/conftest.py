"""The programs of the examples, one gateway after the other: an issuer, an upstream, and a bearerd behind the gateway."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ask import Answer, request, token
from stage import GATEWAYS, Stage

from gateways.grpc_witness import GrpcWitness
from gateways.witness import Witness

ENVOYS = ("envoy", "envoy-grpc")  # one program, which asks in two ways


@dataclass
class Gateway:
    """One gateway with bearerd behind it, and the ways to ask."""

    name: str
    stage: Stage
    config: Path

    @property
    def audience(self) -> str:
        return self.stage.url(self.name, "/")

    def token(self, client: str = "alice", scope: str = "api orders:read", audience: str | None = None) -> str:
        return token(self.stage.ports["issuer"], client, audience or self.audience, scope)

    def ask(self, path: str, bearer: str | None = None, method: str = "GET", **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer is not None:
            fields["Authorization"] = f"Bearer {bearer}"
        return request(self.stage.ports[self.name], method, path, fields)

    def say(
        self, target: str, *lines: str, method: str = "GET", body: str = "", host: str = "x", unread: bool = False
    ) -> bytes:
        """Ask in these very bytes, with header lines as they are; the whole answer."""
        return said(self.stage.ports[self.name], target, *lines, method=method, body=body, host=host, unread=unread)


def said(
    port: int,
    target: str,
    *lines: str,
    method: str = "GET",
    body: str = "",
    wait: float = 20,
    host: str = "x",
    unread: bool = False,
) -> bytes:
    """What comes back for these very bytes.  ``unread``: the server may answer, and reset what it has not read of them."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", *lines]
    if not any(line.lower().startswith("connection:") for line in lines):
        head.append("Connection: close")
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as wire:
        if "Transfer-Encoding: chunked" in lines:
            body = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n" if body else "0\r\n\r\n"
        answer, resets = b"", (ConnectionResetError, BrokenPipeError) if unread else ()
        with contextlib.suppress(*resets):
            wire.sendall("\r\n".join([*head, "", body]).encode("latin-1"))
        with contextlib.suppress(*resets):
            while more := wire.recv(65536):
                answer += more
        return answer


ONE_WORKER = {"workers = 2": "workers = 1"}  # how many there are, no gateway can tell; each takes a second to start


def start(name: str, folder: Path, changes: dict[str, str] | None = None) -> Iterator[Gateway]:
    with Stage.on_free_ports(folder) as stage:
        stage.changes |= ONE_WORKER | (changes or {})
        stage.start_issuer()
        stage.start_upstream()
        config = stage.copy(name) / "bearerd.toml"
        stage.start_bearerd(config)
        stage.start_gateway(name)
        yield Gateway(name, stage, config)


@dataclass
class Watched:
    """A gateway whose bearerd takes notes, and answers as it is told."""

    name: str
    port: int
    witness: Witness | GrpcWitness
    log: Path


# A second to connect and five to be answered are enough, unless a whole busy machine stands still: a minute where bearerd is
# to answer.
PATIENT = {
    "nginx": {"proxy_connect_timeout 1s": "proxy_connect_timeout 60s", "proxy_read_timeout    5s": "proxy_read_timeout 60s"},
    "envoy": {"connect_timeout: 1s": "connect_timeout: 60s", "cluster: bearerd, timeout: 5s": "cluster: bearerd, timeout: 60s"},
    "envoy-grpc": {"connect_timeout: 1s": "connect_timeout: 60s", " timeout: 5s": " timeout: 60s"},
    "caddy": {"dial_timeout 1s": "dial_timeout 60s", "response_header_timeout 5s": "response_header_timeout 60s"},
    "haproxy": {"timeout connect 1s": "timeout connect 60s", "PATIENCE = 5000": "PATIENCE = 60000"},
}  # fmt: skip


@contextlib.contextmanager
def watching(name: str, stage: Stage, *, silent: bool = False) -> Iterator[Watched]:
    """A gateway before an upstream that runs already."""
    if not silent:
        stage.changes |= PATIENT.get(name, {})
    made = (
        GrpcWitness(stage.ports["grpc"], silent=silent)
        if name == "envoy-grpc"
        else Witness(stage.ports["bearerd"], silent=silent)
    )
    with made as witness:
        stage.start_gateway(name)
        yield Watched(name, stage.ports[name], witness, stage.log(name))
        stage.stop(name)


@pytest.fixture(scope="module", params=GATEWAYS)
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Every gateway, watched."""
    with Stage.on_free_ports(tmp_path_factory.mktemp(request.param)) as stage:
        stage.start_upstream()
        with watching(request.param, stage) as made:
            yield made


@pytest.fixture(scope="session", params=GATEWAYS)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Every gateway."""
    yield from start(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(params=GATEWAYS)
def name(request: pytest.FixtureRequest) -> str:
    """Every gateway's name."""
    return str(request.param)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """A gateway of a test's own, for tests that stop programs or change their files."""
    with contextlib.ExitStack() as opened:

        def open_(name: str, changes: dict[str, str] | None = None) -> Gateway:
            return opened.enter_context(contextlib.contextmanager(start)(name, tmp_path / name, changes))

        yield open_
