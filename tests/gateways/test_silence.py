"""bearerd is gone, silent, or behind a unix socket: nothing passes that it did not allow, and what clients are told."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage import EXAMPLES, Stage

from bearerd.faces import asked
from gateways.conftest import Gateway, said, watching
from gateways.witness import Witness

GONE = {
    "nginx": 503,
    "envoy": 503,
    "envoy-grpc": 503,
    "traefik": 500,
    "caddy": 502,
    "haproxy": 503,
}  # Traefik and Caddy cannot be told another
SILENT = {
    "nginx": 503,
    "envoy": 503,
    "envoy-grpc": 503,
    "traefik": 500,
    "caddy": 504,
    "haproxy": 503,
}  # after five seconds; Traefik waits for thirty


def test_bearerd_down_means_no_passage(fresh: Callable[..., Gateway], name: str) -> None:
    gateway = fresh(name)
    token = gateway.token()
    assert gateway.ask("/orders/7", token).status == 200
    gateway.stage.stop("bearerd")
    for path in ("/orders/7", "/health"):
        answer = gateway.ask(path, token)
        assert answer.status == GONE[name]
        assert answer.upstream_saw() is None
        if name == "nginx":  # writes it itself
            assert json.loads(answer.body) == {"type": "about:blank", "title": "Service Unavailable", "status": 503}


def test_a_silent_bearerd_means_no_passage(tmp_path: Path, name: str) -> None:
    with Stage.on_free_ports(tmp_path) as stage:
        stage.start_upstream()
        with watching(name, stage, silent=True) as watched:
            answer = said(watched.port, "/orders/7", wait=60)
            assert int(answer.split(b" ", 2)[1]) == SILENT[name]
            assert b'"body_bytes"' not in answer
            # Once: who asks again waits as long again, and asks more of a bearerd that is behind already.
            assert len([one for one in watched.witness.questions if "/orders/7" in str(one)]) == 1


# Where an example says how long its gateway waits for bearerd, and how many of its units are a second.
WAITS = {
    "nginx/nginx.conf": (r"proxy_read_timeout +(\d+)s", 1),
    "nginx/nginx-caching.conf": (r"proxy_read_timeout +(\d+)s", 1),
    "envoy/envoy.yaml": (r"cluster: bearerd, timeout: (\d+)s", 1),
    "caddy/Caddyfile": (r"response_header_timeout (\d+)s", 1),
    "haproxy/bearerd.lua": (r"PATIENCE = (\d+)", 1000),
}


@pytest.mark.parametrize("file", WAITS)
def test_a_question_that_waits_for_a_key_is_answered_before_the_gateway_gives_up(file: str) -> None:
    written, unit = WAITS[file]
    told = re.search(written, (EXAMPLES / file).read_text())
    assert told is not None
    assert int(told[1]) / unit >= asked.PATIENCE + 0.5


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room: the path of a unix socket ends at 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="bearerd-") as folder:
        Path(folder).chmod(0o755)  # nginx's workers are nobody
        yield Path(folder)


ADDRESS = "127.0.0.1:9180"
# Where a gateway's files say where bearerd is, and what its guide says to write there.
OVER_UNIX = pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("nginx", ADDRESS, "unix:{}"),
        ("envoy", "socket_address: {{ address: 127.0.0.1, port_value: 9180 }}", "pipe: {{ path: {} }}"),
        ("caddy", ADDRESS, "unix/{}"),
        ("haproxy", ADDRESS, "unix@{}"),
    ],
)


@OVER_UNIX
def test_bearerd_is_asked_over_a_unix_socket(
    fresh: Callable[..., Gateway], short: Path, name: str, old: str, new: str
) -> None:
    """As the guides say it; bearerd listens nowhere else."""
    place = short / "bearerd.sock"
    changes = {
        'listen = ["127.0.0.1:9180"]': f'listen = [{{ path = "{place}", mode = "0666" }}]',
        old.format(): new.format(place),
    }
    gateway = fresh(name, changes)
    assert gateway.ask("/orders/7").status == 401
    assert gateway.ask("/orders/7", gateway.token()).status == 200
    assert gateway.ask("/.well-known/oauth-protected-resource").status == 200


@OVER_UNIX
def test_connections_over_a_unix_socket_are_kept(tmp_path: Path, short: Path, name: str, old: str, new: str) -> None:
    place = short / "bearerd.sock"
    with Stage.on_free_ports(tmp_path) as stage, Witness(place) as witness:
        stage.changes |= {old.format(): new.format(place)}
        stage.start_upstream()
        stage.start_gateway(name)
        questions, connections = len(witness.questions), witness.connections
        for _ in range(20):
            assert b'"body_bytes"' in said(stage.ports[name], "/orders/7")
        assert len(witness.questions) == questions + 20
        assert witness.connections - connections <= 1
