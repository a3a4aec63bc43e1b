"""The worker's process, before it serves."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.certificates import authority

from bearerd.serve import worker
from bearerd.serve.orders import Orders


@pytest.mark.parametrize(("profile", "forbidden"), [("production", True), ("development", False)])
def test_a_production_worker_forbids_dumps_before_it_is_told_anything(
    monkeypatch: pytest.MonkeyPatch, profile: str, forbidden: bool
) -> None:
    done: list[str] = []
    ours, theirs = socket.socketpair()

    def run(coroutine: Any) -> int:
        coroutine.close()
        done.append("run")
        return 0

    monkeypatch.setattr(sys, "argv", ["worker", str(theirs.detach()), "42", profile])
    monkeypatch.setattr(worker.process, "die_with_parent", lambda parent: done.append(f"die with {parent}"))
    monkeypatch.setattr(worker.process, "forbid_dumps", lambda: done.append("forbid dumps"))
    monkeypatch.setattr(worker.log, "setup", lambda: None)
    monkeypatch.setattr(worker.uvloop, "run", run)
    with ours:
        assert worker.main() == 0
    assert done == ["die with 42", *(["forbid dumps"] if forbidden else []), "run"]


def test_a_worker_without_its_supervisor_ends_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-P", "-m", "bearerd.serve", str(theirs.fileno()), "999999999", "production"]
        ended = subprocess.run(command, pass_fds=(theirs.fileno(),), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "ProcessLookupError" in ended.stderr


def test_a_worker_whose_channel_closes_ends_by_itself() -> None:
    import os

    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-P", "-m", "bearerd.serve", str(theirs.fileno()), str(os.getpid()), "x"]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
    ours.close()
    assert process.wait(60) == 0


async def test_a_worker_that_should_speak_tls_and_has_nothing_to_show_does_not_start(tmp_path: Path) -> None:
    issued = authority().issue(tmp_path, "bearerd.test")
    tls = {"certificate_file": str(issued.certificate), "key_file": str(issued.key)}
    orders = Orders(0, {"server": {"tls": tls}}, str(tmp_path), False, (), -1, [], [], None)
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(RuntimeError, match="no certificate to show"):
        await worker.Worker(ours)._start(orders)
