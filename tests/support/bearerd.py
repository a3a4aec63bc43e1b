"""A real bearerd: started from a configuration in a folder of its own, on ports that the kernel chooses, stopped by pid.

    with Bearerd(tmp_path) as bearerd:          # ready to decide
        reply = await (await bearerd.wire()).ask("/auth/api", ...)
        bearerd.stop()                          # its exit code

What it logged is in ``bearerd.events()``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from stage import take_notice
from support import house
from support.wire import Wire

PATIENCE = 60.0  # seconds until a wait that should have ended fails the test: bounds a failure, asserts nothing

# A tenth of a start went into reading the authorities of this machine; all that is asked here is on this machine.
NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull}

CONFIG = """
[server]
profile = "development"
listen = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
probes = "127.0.0.1:0"
workers = {workers}
{server}
{issuer}
{resource}
{more}
"""

RESOURCE = f"""
[resource.api]
identifier = "{house.API}"
gateway = "forwarded"

[[resource.api.rule]]
path = "/open"
auth = "none"

[[resource.api.rule]]
path = "/orders/**"
scopes = ["read"]
"""


def issuer() -> str:
    """An issuer whose keys stand in the file."""
    members = ", ".join(f"{name} = {json.dumps(value)}" for name, value in house.key().items())
    return f"""
[[issuer]]
issuer = "{house.ISS}"
name = "test"
algorithms = ["ES256"]
jwks = {{ keys = [{{ {members} }}] }}
"""


def config(
    *, workers: int = 2, server: str = "", resource: str = RESOURCE, more: str = "", issuers: str | None = None
) -> str:
    """A configuration that decides about ``house.token()`` without any network."""
    known = issuer() if issuers is None else issuers
    return CONFIG.format(workers=workers, server=server, issuer=known, resource=resource, more=more)


def environment(**more: str) -> dict[str, str]:
    """The environment of a child, without settings of bearerd's from outside."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BEARERD_")}
    return own | NO_AUTHORITIES | more


def hooked(**settings: str) -> dict[str, str]:
    """For ``Bearerd.environ``: the hooks of ``support/hooks``, with these settings."""
    path = [str(Path(__file__).parent / "hooks"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), **settings}


def run(*arguments: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """One ``bearerd`` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bearerd", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(**environ),
    )


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    address: str,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One HTTP request on a connection of its own."""
    host, _, port = address.rpartition(":")
    place = host.strip("[]"), int(port)
    connection = (
        http.client.HTTPConnection(*place, timeout=PATIENCE)
        if tls is None
        else http.client.HTTPSConnection(*place, timeout=PATIENCE, context=tls)
    )
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def wait_for(claim: Callable[[], Any]) -> Any:
    """Wait until a claim holds; what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (found := claim()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not come true")
        time.sleep(0.02)
    return found


@dataclass
class Bearerd:
    """One bearerd process and its folder."""

    folder: Path
    text: str = field(default_factory=config)
    environ: dict[str, str] = field(default_factory=dict)
    until_ready: bool = True
    prefix: tuple[str, ...] = ()  # a command that runs it (setpriv)
    tls: ssl.SSLContext | None = None  # how its public listener is spoken to
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write(self.text)

    @property
    def file(self) -> Path:
        return self.folder / "bearerd.toml"

    @property
    def log(self) -> Path:
        return self.folder / "bearerd.log"

    @property
    def data_dir(self) -> Path:
        return self.folder / ".bearerd"

    def write(self, text: str) -> None:
        """Put another configuration into place, whole."""
        new = self.folder / "bearerd.toml.new"
        new.write_text(text)
        new.replace(self.file)

    def __enter__(self) -> Self:
        if self.process is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        """Start, and wait until it listens (and is ready, unless told otherwise)."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "bearerd", "serve", "--config", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(**self.environ),
            )
        try:
            wait_for(self._up)
            if self.until_ready:
                wait_for(self.ready)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _up(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"bearerd ended with {self.process.returncode}\n{self.log.read_text()[-3000:]}")
        return self.addresses().get("pid") == self.process.pid

    def addresses(self) -> dict[str, Any]:
        """Where it listens, as it wrote down itself."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.data_dir / "addresses.json").read_text())
            return found
        return {}

    def ready(self) -> bool:
        """Whether the readiness probe says yes, and every slot is served by a worker that does."""
        if self.probe("/readyz").status != 200:
            return False
        workers = self.api("GET", "/v1/health").json()["workers"]
        return all(worker["ready"] for worker in workers) and len(self.pids(workers)) == len(workers)

    @property
    def address(self) -> str:
        """Of the public listener."""
        return str(self.addresses()["listen"][0])

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self.process is not None
        return self.process.pid

    def pids(self, workers: list[dict[str, Any]] | None = None) -> dict[int, int]:
        """The workers' process ids by slot."""
        told = self.api("GET", "/v1/health").json()["workers"] if workers is None else workers
        return {worker["slot"]: worker["pid"] for worker in told if worker["phase"] == "up"}

    def probe(self, path: str) -> Answer:
        """Ask the probes listener."""
        return request(self.addresses()["probes"], "GET", path)

    def token(self) -> str:
        """The admin token."""
        return (self.data_dir / "admin.token").read_text().strip()

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask the admin listener as an operator does."""
        fields = {"Authorization": f"Bearer {self.token()}"}
        if body is not None:
            fields["Content-Type"] = "application/json"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        return request(
            self.addresses()["admin"], method, path, fields, None if body is None else json.dumps(body).encode()
        )

    def decide(self, path: str = "/orders/1", token: str | None = None, method: str = "GET") -> Answer:
        """Ask as a forwarding gateway does."""
        headers = {"X-Forwarded-Method": method, "X-Forwarded-Uri": path, "X-Forwarded-Host": "api.example"}
        headers |= {} if token is None else {"Authorization": f"Bearer {token}"}
        return request(self.address, "GET", "/auth/api", headers, tls=self.tls)

    async def wire(self) -> Wire:
        """A connection to the public listener that stays open."""
        return await Wire.to(self.port, tls=self.tls)

    def cli(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A command with this configuration."""
        return run(arguments[0], "--config", str(self.file), *arguments[1:], given=given, **self.environ)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        return sum(value for _, value in self._samples(name, labels))

    def metric_by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The same by the values of one label, without those that are zero; of one scrape."""
        by: dict[str, float] = {}
        for head, value in self._samples(name, labels):
            if value:
                key = head.partition(f'{label}="')[2].partition('"')[0]
                by[key] = by.get(key, 0.0) + value
        return by

    def _samples(self, name: str, labels: dict[str, str]) -> Iterator[tuple[str, float]]:
        for line in self.probe("/metrics").body.decode().splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                yield head, float(value)

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Its log lines (those with this event)."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [event for event in found if name is None or event.get("event") == name]

    def told(self, name: str, many: int = 1) -> list[dict[str, Any]]:
        """Its log lines with this event, once there are ``many``: a thread of its own writes them, after the answer."""
        wait_for(lambda: len(self.events(name)) >= many)
        return self.events(name)

    def send(self, number: int) -> None:
        """Send the supervisor a signal."""
        os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        take_notice(lambda: self.probe("/readyz").status)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it does not end\n{self.log.read_text()[-3000:]}") from None
