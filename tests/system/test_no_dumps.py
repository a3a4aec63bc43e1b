"""In production no process of bearerd can be dumped, traced or read by another of the same user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import free_port
from support import house
from support.bearerd import Bearerd, config

NOBODY = 65534
LIMIT = "Max core file size"


@pytest.fixture
def home() -> Iterator[Path]:
    """Not within pytest's, which is closed to others."""
    with tempfile.TemporaryDirectory(prefix="bearerd-test-", dir="/tmp") as folder:
        yield Path(folder)


def as_somebody(folder: Path) -> tuple[int, tuple[str, ...]]:
    """A user who is not root, and how to become it: to root everything belongs, dumpable or not."""
    if os.geteuid() != 0:
        return os.geteuid(), ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("absent: setpriv (util-linux), to test as a user other than root")
    os.chown(folder, NOBODY, NOBODY)
    become = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    reading = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # this checkout may be root's alone
    return NOBODY, (setpriv, *become, *reading, "--")


def text(profile: str) -> str:
    if profile == "development":
        return config()
    text = config().replace('profile = "development"', 'data_dir = ".bearerd"')
    while "127.0.0.1:0" in text:
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}", 1)
    return text


@pytest.mark.parametrize("profile", ["production", "development"])
def test_memory_and_environment_are_closed_to_the_same_user(home: Path, profile: str) -> None:
    user, prefix = as_somebody(home)
    with Bearerd(home, text(profile), prefix=prefix) as bearerd:
        assert bearerd.decide(token=house.token()).status == 200
        pids = [bearerd.pid, *bearerd.pids().values()]
        assert len(pids) == 3
        for pid in pids:
            assert f"\nUid:\t{user}\t" in Path(f"/proc/{pid}/status").read_text()
            # The kernel gives the files of a process that is not dumpable to root (proc(5)).
            owners = {Path(f"/proc/{pid}/{name}").stat().st_uid for name in ("environ", "mem", "maps", "fd", "auxv")}
            assert owners == ({0} if profile == "production" else {user})
            limits = Path(f"/proc/{pid}/limits").read_text()
            soft, hard = next(line for line in limits.splitlines() if line.startswith(LIMIT)).split()[4:6]
            assert profile != "production" or (soft, hard) == ("0", "0")


def test_a_worker_has_no_configuration_in_its_environment(tmp_path: Path) -> None:
    secret = {"BEARERD_STORE__FLEET": "secret-name", "BEARERD_SERVER__LOG_ALLOWS": "0.5"}
    with Bearerd(tmp_path, environ=secret) as bearerd:
        assert b"BEARERD_" in Path(f"/proc/{bearerd.pid}/environ").read_bytes()
        for pid in bearerd.pids().values():
            assert b"BEARERD_" not in Path(f"/proc/{pid}/environ").read_bytes()
            assert b"PATH=" in Path(f"/proc/{pid}/environ").read_bytes()
