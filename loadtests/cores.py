"""Which core does what, and how much of it a program has used."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """One core for whatever is measured, another for the load."""

    server: int
    client: int

    @classmethod
    def at_hand(cls) -> Cores:
        """The first two that we may use."""
        ours = sorted(os.sched_getaffinity(0))
        if len(ours) < 2:
            raise SystemExit("the benchmark needs two cores: on one, the load would be measured with what it loads")
        return cls(ours[1], ours[0])  # the kernel likes to handle interrupts on the first


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started within runs on this core, and so do its children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(roots: Iterable[int]) -> set[int]:
    """These processes and all that descend from them."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found, waiting = set(), list(roots)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += [child for child in children[pid] if child not in found]
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """What the process trees have used so far, in user and kernel mode; children that ended count with their parent."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in tree(roots) if _stat(pid)) * TICK


def busy_seconds(core: int) -> float:
    """What a core has worked so far, for whomever, time that the hypervisor took from it included."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, line.split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) * TICK


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces; empty once the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
