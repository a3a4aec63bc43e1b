"""``bearerd doctor``: what it says, to people and programs, and how it ends."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import free_port
from support import house
from support.bearerd import Bearerd, config, environment, run
from support.valkey import running


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A configuration without a network, whose probes listener nobody serves."""
    written = tmp_path / "bearerd.toml"
    written.write_text(config().replace('probes = "127.0.0.1:0"', f'probes = "127.0.0.1:{free_port()}"'))
    return str(written)


class Refuser(socketserver.BaseRequestHandler):
    """A gateway that cannot ask anybody."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def closed() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuser) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/orders/7"
        server.shutdown()
        thread.join()


def test_a_configuration_alone_is_examined_and_is_0_when_nothing_has_to_be_done(file: str) -> None:
    done = run("doctor", "--config", file)
    assert (done.returncode, done.stderr) == (0, "")
    for subject in ("configuration", "issuer test", "store", "service"):
        assert subject in done.stdout.splitlines()
    assert "errors: 0, warnings: 0" in done.stdout


def test_json_has_every_finding_with_its_remedy(file: str) -> None:
    told = json.loads(run("doctor", "--config", file, "-o", "json").stdout)
    assert told["well"] is True
    assert {"severity", "subject", "check", "found", "remedy"} == set(told["findings"][0])


def test_a_finding_is_1(tmp_path: Path) -> None:
    with running(tmp_path / "valkey", maxmemory_policy="allkeys-lru") as server:
        more = f'[store]\nurl = "{server.url}"\nfleet = "x"'
        (tmp_path / "bearerd.toml").write_text(config(more=more))
        done = run("doctor", "--config", str(tmp_path / "bearerd.toml"))
    assert done.returncode == 1
    assert "ERROR" in done.stdout
    assert "→ CONFIG SET maxmemory-policy noeviction" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--unreachable"],
        ["api.example.com"],
        ["http://127.0.0.1:1/", "--echo", "echo"],
        ["http://127.0.0.1:1/", "--ca-file", "/nowhere"],
        ["http://127.0.0.1:1/", "--token-file", "/nowhere"],
        ["--config", "/nowhere"],
        ["http://127.0.0.1:1/", "--rate", "0"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    done = run("doctor", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_token_that_would_be_two_lines_is_not_sent_and_not_repeated(closed: str) -> None:
    done = run("doctor", closed, "--token-file", "-", given="abc\r\nX-Evil: 1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Evil" not in done.stderr


def test_a_gateway_that_is_not_there_is_2_and_the_rest_is_told_all_the_same(file: str) -> None:
    done = run("doctor", "--config", file, f"http://127.0.0.1:{free_port()}/orders/7")
    assert done.returncode == 2
    assert "issuer test" in done.stdout
    assert "bearerd: http://127.0.0.1" in done.stderr


def test_what_is_asked_is_said_before(closed: str) -> None:
    done = run("doctor", "--unreachable", closed)
    assert done.returncode == 0, done.stdout
    assert done.stderr.startswith(f"bearerd: asking {closed.removesuffix('/orders/7')}")
    assert done.stdout.count("  ok  ") == 4


def test_the_bearerd_that_runs_is_asked_whether_it_is_ready(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        told = json.loads(bearerd.cli("doctor", "-o", "json").stdout)
    ready = [one for one in told["findings"] if (one["subject"], one["check"]) == ("service", "ready")]
    assert [one["severity"] for one in ready] == ["ok"]


def test_a_token_is_read_from_standard_input_and_never_shown(closed: str) -> None:
    token = house.token()
    command = [sys.executable, "-m", "bearerd", "doctor", "--unreachable", "--token-file", "-", "-o", "json", closed]
    done = subprocess.run(
        command, input=f"Bearer {token}\n", capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0
    assert "with your token" in done.stdout
    assert token not in done.stdout + done.stderr
