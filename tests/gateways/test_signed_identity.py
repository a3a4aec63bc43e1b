"""The signed identity through real gateways, to an upstream that verifies it with the very lines of docs/identity.md."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import jwt
import pytest
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from stage import GATEWAYS, Stage
from support import identity, jose

from gateways.conftest import ONE_WORKER, Gateway

pytestmark = pytest.mark.timeout(300)
PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text()
PYJWT, JOSERFC = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HEADER = "X-Auth-Identity"
SERVED = "/.well-known/jwks.json"


def snippet(text: str, stage: Stage, audience: str) -> dict[str, Any]:
    """The page's lines, under the names of this stage."""
    for old, new in {
        "https://auth.internal.example": identity.NAME,
        "https://orders.example.com": audience,
        "http://127.0.0.1:9180": stage.url("bearerd"),
    }.items():
        assert old in text or old.startswith("http:")
        text = text.replace(old, new)
    names: dict[str, Any] = {}
    exec(compile(text, "docs/identity.md", "exec"), names)
    return names


class Upstream:
    """Serves only whom a signed identity names, and says what it found; every verification is kept."""

    def __init__(self, stage: Stage, audience: str) -> None:
        self.lines = snippet(PYJWT, stage, audience)
        self.strict = snippet(JOSERFC, stage, audience)
        self.keys_at = stage.url("bearerd", SERVED)
        self.failed: list[str] = []
        self.saw: list[dict[str, str]] = []
        upstream = self

        class Verifying(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, said = upstream.judged({name.lower(): value for name, value in self.headers.items()})
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", stage.ports["upstream"]), Verifying)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def judged(self, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.saw.append(headers)
        value = headers.get(HEADER.lower(), "")
        if not value:
            return 401, {}
        try:
            by_pyjwt = self.lines["who"](value)
            by_joserfc = self.strict["who"](value, KeySet.import_key_set(fetched(self.keys_at)))
        except (jwt.PyJWTError, JoseError, ValueError) as error:
            self.failed.append(f"{type(error).__name__}: {error}")
            return 401, {}
        assert by_pyjwt == by_joserfc
        return 200, by_pyjwt

    def five_minutes_pass(self) -> None:
        """What it keeps of the key set is too old."""
        self.lines["KEYS"].get_jwk_set(refresh=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def signing(config: Path, *files: str, mode: str = "both") -> None:
    """The example's configuration, with these keys."""
    text = config.read_text().partition("\n[identity]")[0]
    text = re.sub(r"\nforward_identity = .*", "", text)
    assert '\nscopes = ["api"]' in text
    text = text.replace('\nscopes = ["api"]', f'\nscopes = ["api"]\nforward_identity = "{mode}"', 1)
    table = f'\n[identity]\nissuer = "{identity.NAME}"\nkey_files = {json.dumps(files)}\n'
    config.with_suffix(".new").write_text(text + table)
    config.with_suffix(".new").replace(config)


@contextlib.contextmanager
def behind(name: str, folder: Path) -> Iterator[tuple[Gateway, Upstream]]:
    with Stage.on_free_ports(folder) as stage, Upstream(stage, stage.url(name, "/")) as upstream:
        stage.changes |= ONE_WORKER
        stage.start_issuer()
        config = folder / "signed.toml"  # the example's own comes anew with its gateway
        config.write_text((stage.copy(name) / "bearerd.toml").read_text())
        for number, key in enumerate(("old.pem", "new.pem")):
            (config.parent / key).write_text(identity.pem("P-256", number))
        signing(config, "old.pem")
        stage.start_bearerd(config)
        stage.start_gateway(name)
        yield Gateway(name, stage, config), upstream


@pytest.fixture(scope="module", params=GATEWAYS)
def signed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Upstream]]:
    with behind(request.param, tmp_path_factory.mktemp(f"signed-{request.param}")) as made:
        yield made


def test_the_upstream_knows_who_asks_by_a_signature_alone(signed: tuple[Gateway, Upstream]) -> None:
    gateway, upstream = signed
    answer = gateway.ask("/orders/7", gateway.token())
    assert answer.status == 200
    claims = json.loads(answer.body)
    assert (claims["sub"], claims["scope"]) == ("alice", "api orders:read")
    assert claims["orig_iss"] == gateway.stage.url("issuer")
    assert upstream.saw[-1]["x-auth-subject"] == "alice"  # "both"
    assert "authorization" not in upstream.saw[-1]


def test_nobody_is_nobody(signed: tuple[Gateway, Upstream]) -> None:
    gateway, upstream = signed
    assert gateway.ask("/health").status == 401  # bearerd lets it pass, and this upstream wants somebody
    assert not upstream.saw[-1].get(HEADER.lower())


@pytest.mark.parametrize(
    "name", ["X-Auth-Identity", "x-auth-identity", "X_Auth_Identity", "X.Auth.Identity", "X~Auth~Identity"]
)
@pytest.mark.parametrize("path", ["/health", "/orders/7"])
def test_a_client_s_own_never_reaches_the_upstream(signed: tuple[Gateway, Upstream], path: str, name: str) -> None:
    """Not even a good one, that somebody has seen in a log: whoever shows it would be whom it names."""
    gateway, upstream = signed
    assert gateway.ask("/orders/7", gateway.token()).status == 200, upstream.failed
    stolen = upstream.saw[-1][HEADER.lower()]
    credential = [] if path == "/health" else [f"Authorization: Bearer {gateway.token('mallory')}"]
    for value in (stolen, "forged"):
        upstream.saw.clear()
        answer = gateway.say(path, f"{name}: {value}", *credential, f"{name}: {value}")
        assert answer.startswith(b"HTTP/1.1 ")
        assert b'"alice"' not in answer
        assert not [headers for headers in upstream.saw if value in headers.values()]


def test_a_request_around_the_gateway_is_nobody_s(signed: tuple[Gateway, Upstream]) -> None:
    gateway, upstream = signed
    around = Gateway("upstream", gateway.stage, gateway.config)
    for headers in ({}, {"X_Auth_Subject": "root"}, {"X_Auth_Identity": "a.b.c"}, {"X_Auth_Identity": gateway.token()}):
        assert around.ask("/orders/7", **headers).status == 401
    upstream.failed.clear()


def test_keys_are_rotated_while_requests_run_and_no_verification_fails(tmp_path: Path) -> None:
    with behind("nginx", tmp_path / "nginx") as (gateway, upstream):
        known, seen, stop = gateway.token(), set[str](), threading.Event()
        statuses: list[int] = []

        def ask() -> None:
            while not stop.is_set():
                statuses.append(gateway.ask("/orders/7", known).status)
                statuses.append(gateway.ask("/orders/7", gateway.token()).status)
                seen.add(jwt.get_unverified_header(upstream.saw[-1][HEADER.lower()])["kid"])

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            served = fetched(upstream.keys_at)["keys"]
            old = served[0]["kid"]
            reloaded(gateway, upstream, "old.pem", "new.pem")
            upstream.five_minutes_pass()
            reloaded(gateway, upstream, "new.pem", "old.pem")
            new = fetched(upstream.keys_at)["keys"][0]["kid"]
            until(lambda: new in seen)
        finally:
            stop.set()
            asking.join()
        assert seen == {old, new}
        assert upstream.failed == []
        assert set(statuses) == {200}
        reloaded(gateway, upstream, "new.pem")
        assert gateway.ask("/orders/7", known).status == 200
        assert upstream.failed == []


def reloaded(gateway: Gateway, upstream: Upstream, *files: str) -> None:
    """The configuration names other keys, and every worker publishes them."""
    signing(gateway.config, *files)
    first = jose.jwk("P-256", ("old.pem", "new.pem").index(files[0]))["x"]
    os.kill(gateway.stage.pid("bearerd"), signal.SIGHUP)

    def published() -> bool:
        keys = fetched(upstream.keys_at)["keys"]
        return len(keys) == len(files) and keys[0]["x"] == first

    until(lambda: all(published() for _ in range(12)))  # by whichever worker


def until(true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it does not come to that")
