"""Drives hammer.c, the load generator: compiles it, hands it a file of requests, reads what it counted."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cores import pinned

SOURCE: Final = Path(__file__).with_suffix(".c")
BUILD: Final = Path(__file__).resolve().parent.parent / "build"


@dataclass(frozen=True)
class Ask:
    """One request as it goes over the wire, the status that is the right answer, and the heading it is counted under."""

    request: bytes
    status: int
    heading: int = 0


@dataclass(frozen=True)
class Counted:
    """What came back.  ``all`` is everything that the load generator printed."""

    answered: int
    seconds: float
    p50: float  # microseconds
    p99: float
    client_cpu: float  # seconds
    all: dict[str, Any]

    @property
    def fault(self) -> str | None:
        """Why this run counts for nothing: an answer that was not the right one, or that never came."""
        if self.all["wrong"]:
            first = self.all["first_wrong"]
            return f"{self.all['wrong']} wrong answers, the first {first['status']} instead of {first['expected']}"
        for kind in ("lost", "unanswered"):
            if self.all[kind]:
                return f"{self.all[kind]} requests {kind}"
        return None if self.answered else "no answer at all"


def compiled(source: Path) -> Path:
    """A C program of ours, compiled once per version of its source.  Raises CalledProcessError."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    target = BUILD / f"{source.stem}-{digest}"
    if not target.exists():
        BUILD.mkdir(exist_ok=True)
        partial = BUILD / f"{target.name}.{os.getpid()}"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(partial), str(source)], check=True)
        partial.rename(target)
    return target


def write(asks: Iterable[Ask], file: Path) -> Path:
    """The file that the load generator reads."""
    with file.open("wb") as out:
        for ask in asks:
            out.write(b"%d %d %d\n%b" % (len(ask.request), ask.status, ask.heading, ask.request))
    return file


def fire(port: int, requests: Path, core: int, *, seconds: float, **options: float | Path) -> Counted:
    """Send the file's requests for so long, from one core.  Options are hammer.c's: connections, rate, count, beside, …"""
    return ended(begin(port, requests, core, seconds=seconds, **options), seconds)


def begin(port: int, requests: Path, core: int, *, seconds: float, **options: float | Path) -> subprocess.Popen[str]:
    """The same, and do not wait for it."""
    command = [str(compiled(SOURCE)), "--port", str(port), "--requests", str(requests), "--seconds", str(seconds)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with pinned(core):
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(running: subprocess.Popen[str], seconds: float) -> Counted:
    """What it counted.  Raises RuntimeError."""
    with running:
        try:
            out, error = running.communicate(timeout=seconds + 60)
        except BaseException:
            running.kill()
            raise
    if running.returncode:
        raise RuntimeError(error.strip() or f"hammer ended with {running.returncode}")
    said = json.loads(out)
    times = said["latency_us"]
    return Counted(said["answered"], said["seconds"], times["p50"], times["p99"], said["client_cpu"], said)
