"""What a process asks of its kernel: how many workers fit, how many files it may hold, and with whom it dies."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_CGROUP_FILE: Final = Path("/proc/self/cgroup")
_MOUNTS_FILE: Final = Path("/proc/self/mountinfo")


def hold_standard_streams() -> None:
    """Whoever started us may have closed some.  Their numbers must be no socket's, which lines would be written to.

    Writing to them goes on to fail: a sink that takes nothing is told of.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY)  # this one: it is the lowest that is free
            os.set_inheritable(opened, True)


def worker_count(configured: int) -> int:
    """Workers to run: as configured, else the smaller of the CPUs this process may use and its cgroup's quota."""
    if configured:
        return configured
    cpus = len(os.sched_getaffinity(0))
    quota = cpu_quota()
    # Rounded down: a worker beyond the quota would only be throttled, and with it the requests that it holds.
    return max(1, cpus if quota is None else min(cpus, int(quota)))


def cpu_quota(cgroup: Path = _CGROUP_FILE, mounts: Path = _MOUNTS_FILE) -> float | None:
    """CPUs that the cgroup (v2 or v1) and its ancestors allow; None where there is no quota, or it cannot be read."""
    try:
        groups = cgroup.read_text().splitlines()
        mounted = mounts.read_text().splitlines()
    except OSError:
        return None
    found: list[float] = []
    for line in groups:
        number, controllers, path = line.split(":", 2)
        version = 2 if (number, controllers) == ("0", "") else 1 if "cpu" in controllers.split(",") else None
        if version is not None:
            found += [quota for root in _roots(mounted, version) for quota in _quotas(root, path, version)]
    return min(found, default=None)


def _roots(mounted: list[str], version: int) -> list[Path]:
    """Where the hierarchy is mounted (proc(5): ``… MOUNTPOINT OPTIONS … - TYPE SOURCE SUPER``)."""
    roots = []
    for line in mounted:
        before, _, after = line.partition(" - ")
        kind, _, options = [*after.split(" ", 2), "", ""][:3]
        if (version == 2 and kind == "cgroup2") or (kind == "cgroup" and version == 1 and "cpu" in options.split(",")):
            roots.append(Path(before.split(" ")[4].replace("\\040", " ")))
    return roots


def _quotas(root: Path, path: str, version: int) -> list[float]:
    """The quotas from a group up to the hierarchy's root; inside a container the group's own path may not exist."""
    group = root / path.strip("/")
    inside = [folder for folder in (group, *group.parents) if folder.is_relative_to(root)]
    return [quota for folder in inside if (quota := _quota(folder, version)) is not None]


def _quota(folder: Path, version: int) -> float | None:
    try:
        if version == 2:
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = (
                (folder / "cpu.cfs_quota_us").read_text(),
                (folder / "cpu.cfs_period_us").read_text(),
            )
        return int(quota) / int(period) if quota != "max" and int(quota) > 0 and int(period) > 0 else None
    except (OSError, ValueError):
        return None


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; returns it.  A connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def room(wanted: int, *, reserve: int, shares: int) -> int:
    """How many connections fit into the limit of open files beside ``reserve`` other files; ``wanted`` at the most.

    ``shares``: by how many servers as many may be taken.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, (soft - reserve) // shares))


def die_with_parent(parent: int) -> None:
    """Be killed when the process ``parent`` ends, whatever this one is doing then.

    Raises ProcessLookupError where it has ended already.  Lost by an exec, so call it after one.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError(f"the parent {parent} is gone")


def forbid_dumps() -> None:
    """No core dump, and no reading of this process's memory by others of the same user (ptrace, /proc/PID/mem and environ).

    An exec switches dumps on again, so call it after one; the limit stays, and is that of every child.
    """
    _prctl(_PR_SET_DUMPABLE, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def collect_garbage() -> None:
    """From now on: the start is over.  What it has made stays, and no collection looks through it, which would take 50 ms each time."""
    gc.collect()
    gc.freeze()
    gc.enable()
