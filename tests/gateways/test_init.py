"""``bearerd init`` for every gateway: its files are started by the real programs, with nobody's addresses but the wished for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ask import request, token
from stage import GATEWAYS, Stage, environment, free_port

from bearerd.starter.gateways import GATEWAYS as KNOWN

pytestmark = pytest.mark.timeout(300)
API = "https://api.example.test/v1"

# How a gateway says whether it would take a file; Traefik only says so by starting.
CHECKS = {
    "nginx": ["-p", ".", "-c", "nginx.conf", "-e", "stderr", "-t"],
    "envoy": ["--mode", "validate", "-c", "envoy.yaml"],
    "envoy-grpc": ["--mode", "validate", "-c", "envoy.yaml"],
    "caddy": ["validate", "--config", "Caddyfile"],
    "haproxy": ["-c", "-f", "haproxy.cfg"],
}


def init(name: str, folder: Path, *options: str) -> Path:
    """The files, as the command writes them."""
    command = [sys.executable, "-m", "bearerd", "init", name, "--out", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    return folder / "bearerd.toml"


@pytest.mark.parametrize("name", [name for name in KNOWN if name in GATEWAYS])
def test_what_init_writes_works_with_another_issuer_identifier_and_upstream(name: str, tmp_path: Path) -> None:
    with Stage.on_free_ports(tmp_path / "stage") as stage:
        first = free_port(4)
        stage.ports |= {"bearerd": first, "admin": first + 1, "probes": first + 2, "grpc": first + 3}
        folder = tmp_path / "made"
        config = init(
            name,
            folder,
            *("--issuer", stage.url("issuer"), "--identifier", API),
            *("--upstream", f"http://localhost:{stage.ports['upstream']}"),
            *("--public", f"127.0.0.1:{stage.ports[name]}", "--listen", f"127.0.0.1:{first}"),
        )
        stage.start_issuer()
        stage.start_upstream()
        stage.start_bearerd(config)
        binary = GATEWAYS[name].found()
        assert binary is not None
        stage.start(name, [binary, *GATEWAYS[name].arguments], port=stage.ports[name], cwd=folder)
        stage._wait_routed(name)
        good = token(stage.ports["issuer"], "alice", API, "api orders:read")
        other = token(stage.ports["issuer"], "alice", stage.url(name, "/"), "api orders:read")
        answers = {
            who: request(
                stage.ports[name], "GET", "/orders/7", {} if who is None else {"Authorization": f"Bearer {who}"}
            )
            for who in (None, good, other)
        }
        assert [answer.status for answer in answers.values()] == [401, 200, 401]
        assert (
            'resource_metadata="https://api.example.test/.well-known/oauth-protected-resource/v1"'
            in (answers[None].headers["www-authenticate"])
        )
        assert (answers[good].upstream_saw() or {})["x-auth-subject"] == "alice"
        metadata = request(
            stage.ports[name], "GET", "/.well-known/oauth-protected-resource/v1", {"Host": "api.example.test"}
        )
        assert json.loads(metadata.body)["resource"] == API


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "options",
    [
        ("--upstream", "http://[2001:db8::7]:9000", "--listen", "[::1]:7180", "--issuer", "https://auth.example.com/"),
        ("--upstream", "http://localhost", "--public", "0.0.0.0:PORT", "--identifier", "https://a.test/it's?x=$1"),
    ],
    ids=["IPv6", "names"],
)
def test_the_gateway_takes_the_file(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    with Stage.on_free_ports(tmp_path / "stage") as stage:
        port = str(stage.ports[name])
    wished = [option.replace("PORT", port) for option in options]
    wished += [] if "--public" in options else ["--public", f"127.0.0.1:{port}"]
    init(name, tmp_path, *wished)
    binary = GATEWAYS[name].found()
    assert binary is not None
    done = subprocess.run(
        [binary, *CHECKS[name]], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**environment(), "XDG_DATA_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
