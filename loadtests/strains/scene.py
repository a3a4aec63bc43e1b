"""What every strain needs: rows of the report, a service with one worker, and what the worker used."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cores import TICK, tree
from hammer import Ask, Counted, fire, write
from peers import bearerd
from place import Place

SECONDS: Final = float(os.environ.get("STRAIN_SECONDS", "3"))  # of each window
ROUNDS: Final = int(os.environ.get("STRAIN_ROUNDS", "5"))  # of windows that are compared
CONNECTIONS: Final = 32
# Else a worker that has less to do at a time pays for waking its client more often.
AWAKE: Final[dict[str, float | Path]] = {"awake": 1}


@dataclass(frozen=True)
class Row:
    """One figure: what it is, what it is to be, and whether it is that (None: nothing was promised)."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: float, bound: float, form: str = "{:.2f}") -> Row:
    """A figure that is not to exceed a bound."""
    return Row(what, form.format(value), "≤ " + form.format(bound), value <= bound)


def at_least(what: str, value: float, bound: float, form: str = "{:.0%}") -> Row:
    """A figure that is not to fall below a bound."""
    return Row(what, form.format(value), "≥ " + form.format(bound), value >= bound)


@dataclass
class Section:
    """Of the report."""

    title: str
    intro: str
    rows: list[Row] = field(default_factory=list)
    wrong: int = 0  # answers that were not the right ones: nothing excuses them


@dataclass(frozen=True)
class Fired:
    """One window: what came back and what the worker used."""

    counted: Counted
    cpu: float  # seconds of the worker

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.counted.answered / self.counted.seconds if self.counted.seconds else 0.0

    @property
    def each(self) -> float:
        """Microseconds of the worker for an answer."""
        return self.cpu / max(1, self.counted.answered) * 1e6


def open_many() -> None:
    """From now on this process, and whom it starts, may have as many connections as the machine lets anybody."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def worker_of(root: int) -> int:
    """The process of the one worker that descends from a supervisor."""
    for _ in range(200):
        for pid in tree([root]):
            if b"bearerd.serve\0" in _read(pid, "cmdline"):
                return pid
        time.sleep(0.05)
    raise RuntimeError("there is no worker")


def used(pid: int) -> float:
    """Seconds that a process has computed so far."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def resident(pid: int) -> int:
    """Bytes of its memory that are its own."""
    lines = _read(pid, "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith((b"Private_", b"Swap:")))


def window(
    place: Place, port: int, pid: int, requests: Path, *, seconds: float = SECONDS, **options: float | Path
) -> Fired:
    """Ask for so long and see what it cost."""
    before = used(pid)
    counted = fire(
        port, requests, place.cores.client, seconds=seconds, **(AWAKE | {"connections": CONNECTIONS} | options)
    )
    return Fired(counted, used(pid) - before)


def questions(place: Place, name: str, tokens: Iterable[str], status: int = 200, heading: int = 0) -> Path:
    """A file of requests about these tokens."""
    asks = [bearerd.question(token, status) for token in tokens]
    return write([Ask(ask.request, ask.status, heading) for ask in asks], place.folder / f"{name}.requests")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
