"""bearerd itself, as a service with one worker, asked as nginx asks.

Known and refused tokens go to a service with the defaults.  New tokens go to one whose cache holds a few tokens while many
more take turns, so that each is new when it comes; that it is so, the service's own count of signature checks must show.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from credentials import AUDIENCE, ISSUER, tampered
from hammer import Ask
from place import Absent, NotStarted, Peer, Place, Target, ask, environment, free_port

from bearerd.errors import StoreError
from bearerd.store import embedded
from peers.groups import KNOWN as AGAIN
from peers.groups import NEW as FIRST

FEW = 64  # tokens that the small cache is to hold; its table has room for less than two times as many
MANY = 1024  # tokens that take turns before it
SMALL = f"token_cache_entries = {FEW}"
CONFIG = """
[server]
profile = "development"
workers = 1
listen = ["127.0.0.1:{port}", {{ path = "{socket}" }}]
admin = "127.0.0.1:{admin}"
probes = "127.0.0.1:{probes}"
{server}

[store]
{store}

[limits]
{limits}

[[issuer]]
issuer = "{issuer}"
name = "bench"
algorithms = ["RS256", "ES256", "EdDSA"]
{keys}

[resource.plain]
identifier = "{audience}"
gateway = "nginx"
scopes = ["orders:read"]

[resource.envoy]
identifier = "https://envoy.example.com"
audience = ["{audience}"]
gateway = "envoy"
scopes = ["orders:read"]

# As the examples of Traefik, Caddy and HAProxy ask.
[resource.api]
identifier = "https://forwarded.example.com"
audience = ["{audience}"]
gateway = "forwarded"
scopes = ["orders:read"]

[resource.ruled]
identifier = "https://ruled.example.com"
audience = ["{audience}"]
gateway = "nginx"
"""
RULE = """
[[resource.ruled.rule]]
methods = ["GET"]
path = "{path}"
scopes = ["orders:read"]
"""
GRPC = f"""
[resource.grpc]
identifier = "https://grpc.example.com"
audience = ["{AUDIENCE}"]
gateway = "grpc"
scopes = ["orders:read"]
"""
ORIGINAL = ("X-Original-Method: GET", "X-Original-URI: /orders/7", "X-Original-Host: api.example.com")
NOT_THE_LANES = "Connection: keep-alive, x"  # an option that aiohttp reads over and the lane's recogniser does not
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names


@dataclass(frozen=True)
class Service:
    """A running one."""

    pid: int
    port: int
    probes: int
    socket: Path
    grpc: int

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        with DIRECT.open(f"http://127.0.0.1:{self.probes}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return sum(map(float, re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)))

    def checked(self) -> float:
        """Signatures that it has checked so far."""
        return self.metric("bearerd_verifications_total")


KEYS = 'jwks_file = "jwks.json"'


def serve(
    place: Place, name: str = "bearerd", *, limits: str = "", keys: str = KEYS, store: str = "", grpc: bool = False
) -> Service:
    """Start one and wait until it is ready.  ``limits``, ``keys``, ``store``: lines of the file.  Raises Absent, NotStarted."""
    try:
        embedded.find_server()
    except StoreError as error:
        raise Absent(str(error)) from error
    folder = place.folder / name
    folder.mkdir()
    port, admin, probes, by_grpc = free_port(), free_port(), free_port(), free_port()
    paths = [f"/things-{number}/**" for number in range(1, 20)] + ["/orders/**"]
    config = folder / "bearerd.toml"
    config.write_text(
        CONFIG.format(
            port=port,
            socket=folder / "bearerd.sock",
            admin=admin,
            probes=probes,
            server=f'grpc = "127.0.0.1:{by_grpc}"' if grpc else "",
            store=store,
            limits=limits,
            keys=keys,
            issuer=ISSUER,
            audience=AUDIENCE,
        )
        + "".join(RULE.format(path=path) for path in paths)
        + (GRPC if grpc else "")
    )
    (folder / "jwks.json").write_text(place.jwks())
    command = [sys.executable, "-m", "bearerd"]
    pid = place.start(name, [*command, "serve", "--config", config], probes, folder)
    for _ in range(100):
        ready = [*command, "health", "--config", str(config)]
        if subprocess.run(ready, capture_output=True, check=False, env=environment()).returncode == 0:
            return Service(pid, port, probes, folder / "bearerd.sock", by_grpc)
        time.sleep(0.1)
    raise NotStarted(f"bearerd does not become ready\n{(place.folder / f'{name}.log').read_text()[-3000:]}")


def question(token: str | None, status: int = 200, resource: str = "plain", *more: str) -> Ask:
    """As nginx asks."""
    return ask(token, status, f"/auth/{resource}", *ORIGINAL, *more)


def known(place: Place, resource: str, *more: str) -> Target:
    """The same good token again and again."""
    service = place.once("bearerd", lambda: serve(place))
    asks, bad = (
        [question(place.token(), 200, resource, *more)],
        [question(tampered(place.token()), 401, resource, *more)],
    )
    return Target(service.port, (service.pid,), asks, [*bad, question(None, 401, resource, *more)], service.checked)


def refused(place: Place) -> Target:
    """The same forged token again and again."""
    service = place.once("bearerd", lambda: serve(place))
    return Target(service.port, (service.pid,), [question(tampered(place.token()), 401)], checked=service.checked)


def new(place: Place, algorithm: str) -> Target:
    """Another good token each time."""
    service = place.once("bearerd-small", lambda: serve(place, "bearerd-small", limits=SMALL))
    tokens = place.issuer.tokens(MANY, algorithm)
    bad = [question(tampered(tokens[0]), 401)]
    asks = [question(token) for token in tokens]
    return Target(service.port, (service.pid,), asks, bad, service.checked, 1.0, 2 * FEW)


KNOWN = (
    Peer("bearerd", AGAIN, "**bearerd**, no rules", lambda place: known(place, "plain")),
    Peer(
        "bearerd-aiohttp",
        AGAIN,
        "**bearerd**, by way of aiohttp (a head that the lane leaves to it)",
        lambda place: known(place, "plain", NOT_THE_LANES),
    ),
    Peer("bearerd-rules", AGAIN, "**bearerd**, the last of 20 path rules", lambda place: known(place, "ruled")),
)
NEW = (
    Peer("bearerd-refused", FIRST, "**bearerd**, a forged token again and again", refused),
    Peer("bearerd-rs256", FIRST, "**bearerd**, a new RS256 token", lambda place: new(place, "RS256")),
    Peer("bearerd-es256", FIRST, "**bearerd**, a new ES256 token", lambda place: new(place, "ES256")),
    Peer("bearerd-eddsa", FIRST, "**bearerd**, a new EdDSA token", lambda place: new(place, "EdDSA")),
)
