"""What is asked of the kernel."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bearerd.serve import process

MOUNT_V2 = "30 23 0:26 / {root} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
MOUNT_V1 = (
    "33 25 0:29 / {root} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n34 25 0:30 / /m rw - cgroup cgroup rw,memory\n"
)


def quota(tmp_path: Path, groups: str, mounts: str) -> float | None:
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text(mounts.format(root=tmp_path / "root"))
    return process.cpu_quota(tmp_path / "cgroup", tmp_path / "mountinfo")


def group(tmp_path: Path, path: str, **files: str) -> None:
    folder = tmp_path / "root" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".", 1)).write_text(content)


@pytest.mark.parametrize(
    ("content", "cpus"),
    [("max 100000\n", None), ("150000 100000\n", 1.5), ("50000 100000\n", 0.5), ("", None), ("x y", None)],
)
def test_the_quota_of_cgroup_v2(tmp_path: Path, content: str, cpus: float | None) -> None:
    group(tmp_path, "a/b", cpu_max=content)
    assert quota(tmp_path, "0::/a/b\n", MOUNT_V2) == cpus


def test_the_smallest_quota_among_the_ancestors_counts(tmp_path: Path) -> None:
    group(tmp_path, "a/b/c", cpu_max="800000 100000")
    group(tmp_path, "a", cpu_max="300000 100000")
    group(tmp_path, "a/b", cpu_max="max 100000")
    assert quota(tmp_path, "0::/a/b/c\n", MOUNT_V2) == 3.0


def test_the_quota_of_cgroup_v1(tmp_path: Path) -> None:
    group(tmp_path, "docker/x", cpu_cfs_quota_us="250000", cpu_cfs_period_us="100000")
    groups = "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n"
    assert quota(tmp_path, groups, MOUNT_V1) == 2.5
    group(tmp_path, "docker/x", cpu_cfs_quota_us="-1")
    assert quota(tmp_path, groups, MOUNT_V1) is None


def test_inside_a_container_the_hierarchy_s_root_is_looked_at(tmp_path: Path) -> None:
    """The path is the host's and does not exist here; the quota stands at the mount."""
    group(tmp_path, "", cpu_max="200000 100000")
    assert quota(tmp_path, "0::/kubepods/pod1/x\n", MOUNT_V2) == 2.0


def test_a_machine_without_cgroups_has_no_quota(tmp_path: Path) -> None:
    assert process.cpu_quota(tmp_path / "none", tmp_path / "none") is None
    assert quota(tmp_path, "1:name=systemd:/\n", "") is None


@pytest.mark.parametrize(("cpus", "allowed", "workers"), [(8, None, 8), (8, 2.9, 2), (2, 16.0, 2), (4, 0.5, 1)])
def test_workers_are_as_many_as_may_run(
    monkeypatch: pytest.MonkeyPatch, cpus: int, allowed: float | None, workers: int
) -> None:
    monkeypatch.setattr(process.os, "sched_getaffinity", lambda pid: set(range(cpus)))
    monkeypatch.setattr(process, "cpu_quota", lambda: allowed)
    assert process.worker_count(0) == workers
    assert process.worker_count(7) == 7


def test_the_soft_file_limit_becomes_the_hard_one() -> None:
    script = (
        "import resource; from bearerd.serve import process\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "assert process.raise_file_limit() == hard\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)


def test_a_process_whose_parent_is_gone_does_not_start() -> None:
    script = "import sys; from bearerd.serve import process; process.die_with_parent(int(sys.argv[1]))"
    run = subprocess.run([sys.executable, "-c", script, str(os.getpid())], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    orphan = subprocess.run([sys.executable, "-c", script, "999999999"], capture_output=True, text=True, check=False)
    assert orphan.returncode == 1
    assert "ProcessLookupError" in orphan.stderr


def test_a_process_that_forbids_dumps_cannot_be_dumped() -> None:
    script = (
        "import ctypes; from bearerd.serve import process\n"
        "libc = ctypes.CDLL(None)\n"
        "assert libc.prctl(3, 0, 0, 0, 0) == 1\n"  # PR_GET_DUMPABLE
        "process.forbid_dumps()\n"
        "assert libc.prctl(3, 0, 0, 0, 0) == 0\n"
        "import resource; assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_abort_of_a_process_that_forbids_dumps_leaves_no_core(tmp_path: Path) -> None:
    """Though the limit allowed one when it was started."""
    script = (
        "import os, resource, sys; from bearerd.serve import process\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "if sys.argv[1] == 'forbid': process.forbid_dumps()\n"
        "os.abort()\n"
    )
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        pytest.skip("core dumps are limited here already")
    dumped = {}
    for how in ("allow", "forbid"):
        file = str(tmp_path / how)
        Path(file).mkdir()
        pid = os.posix_spawn(
            "/bin/sh", ["sh", "-c", 'cd "$0" && exec "$@"', file, sys.executable, "-c", script, how], os.environ
        )
        _, status = os.waitpid(pid, 0)
        assert os.WTERMSIG(status) == 6
        dumped[how] = os.WCOREDUMP(status)
        assert how == "allow" or list(Path(file).iterdir()) == []
    assert not dumped["forbid"]
    if not dumped["allow"]:
        pytest.skip("this machine writes no core dumps at all")


def test_what_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        process._prctl(4, 99)


@pytest.mark.parametrize(
    ("soft", "shares", "found"),
    [(1024, 1, 960), (1024, 2, 480), (60, 1, 1), (20_000, 1, 10_000), (resource.RLIM_INFINITY, 2, 10_000)],
)
def test_connections_leave_room_for_other_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, shares: int, found: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert process.room(10_000, reserve=64, shares=shares) == found


HELD = """
import os, socket, sys
from bearerd import log
from bearerd.serve import process
process.hold_standard_streams()
log.setup()
taken = socket.socket().fileno()
try:
    os.write(int(sys.argv[2]), b"lost")
    written = "written"
except OSError:
    written = "failed"
with open(sys.argv[1], "w") as told:
    print(taken > 2, written, file=told)
"""


@pytest.mark.parametrize("closed", [1, 2])
def test_the_number_of_a_closed_standard_stream_becomes_nobody_else_s(tmp_path: Path, closed: int) -> None:
    command = [sys.executable, "-c", HELD, str(tmp_path / "told"), str(closed)]
    subprocess.run(["sh", "-c", f'exec "$0" "$@" {closed}>&-', *command], check=True, timeout=60)
    assert (tmp_path / "told").read_text() == "True failed\n"
