"""What a process and all that descend from it have used of the CPU (Linux)."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")


def cpu_seconds(pid: int) -> float | None:
    """In user and kernel mode so far; None where that process is not bearerd's, or is not to be seen from here."""
    try:
        if b"bearerd" not in (_PROC / str(pid) / "cmdline").read_bytes():
            return None
    except OSError:
        return None
    return sum(map(_used, _descendants(pid))) / os.sysconf("SC_CLK_TCK")


def _descendants(root: int) -> list[int]:
    """The process itself, too."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def _used(pid: int) -> int:
    """Ticks; children that have ended count with their parent."""
    return sum(map(int, _stat(pid)[11:15]))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold spaces; empty once the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
