"""Two bearerd services on one Valkey: what one learns, the other enforces; one fetch serves both."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ask import request
from stage import Stage, environment
from support import valkey

from bearerd.issuers.development import DevelopmentIssuer

CONFIG = """
[server]
profile = "development"
listen = ["127.0.0.1:9180"]
admin = "127.0.0.1:9181"
probes = "127.0.0.1:9182"
workers = 2

[store]
url = "{store}"
fleet = "twins"

[[issuer]]
issuer = "{issuer}"
name = "dev"
insecure_issuer = true

[resource.api]
identifier = "https://api.example/"
gateway = "forwarded"
"""
AUDIENCE = "https://api.example/"


class CountingIssuer:
    """The development issuer's keys behind a server that counts who asks for them."""

    def __init__(self, folder: Path) -> None:
        counts = self.fetches = {"/jwks": 0, "/.well-known/openid-configuration": 0}
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with lock:
                    counts[self.path] = counts.get(self.path, 0) + 1
                document = outer.issuer.jwks() if self.path == "/jwks" else outer.issuer.metadata()
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.issuer = DevelopmentIssuer(folder, self.url)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def mint(self, subject: str) -> str:
        return self.issuer.mint({"sub": subject, "aud": AUDIENCE})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[CountingIssuer]:
    counting = CountingIssuer(tmp_path / "issuer")
    yield counting
    counting.close()


@pytest.fixture
def twins(tmp_path: Path, issuer: CountingIssuer) -> Iterator[tuple[Stage, Stage]]:
    with (
        valkey.running(tmp_path / "valkey") as store,
        Stage.on_free_ports(tmp_path / "one") as one,
        Stage.on_free_ports(tmp_path / "two") as two,
    ):
        for stage in (one, two):
            config = stage.folder / "bearerd.toml"
            config.write_text(stage.moved(CONFIG.format(store=store.url, issuer=issuer.url)))
            stage.start_bearerd(config)
        yield one, two


def ask(stage: Stage, token: str) -> int:
    return request(stage.ports["bearerd"], "GET", "/auth/api", {"Authorization": f"Bearer {token}"}).status


def until(true: Callable[[], bool]) -> bool:
    """Ask until it is so: how long it takes is measured elsewhere."""
    return any(true() for _ in range(2000))


def test_a_revocation_made_on_one_refuses_on_the_other(twins: tuple[Stage, Stage], issuer: CountingIssuer) -> None:
    one, two = twins
    token, other = issuer.mint("alice"), issuer.mint("bob")
    assert [ask(stage, each) for stage in twins for each in (token, other)] == [200] * 4
    command = [sys.executable, "-m", "bearerd", "revoke", "--config", str(one.folder / "bearerd.toml")]
    done = subprocess.run(command, input=token, text=True, capture_output=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    assert until(lambda: ask(two, token) == 401)
    for _ in range(20):  # several connections, so both workers of each are asked
        assert [ask(stage, token) for stage in twins] == [401, 401]
    assert [ask(stage, other) for stage in twins] == [200, 200]


def test_one_fetch_serves_both_at_start_and_after_a_rotation(
    twins: tuple[Stage, Stage], issuer: CountingIssuer
) -> None:
    assert [ask(stage, issuer.mint("alice")) for stage in twins] == [200, 200]
    before = issuer.fetches["/jwks"]
    assert before == 1
    issuer.issuer.rotate()
    new = issuer.mint("alice")
    assert [ask(stage, new) for stage in twins] == [200, 200]
    for _ in range(10):
        assert [ask(stage, new) for stage in twins] == [200, 200]
    assert issuer.fetches["/jwks"] == before + 1
