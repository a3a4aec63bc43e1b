"""Where the peers run: a folder, two cores, an issuer's keys, and the programs, each on a port of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from cores import Cores, pinned, tree
from credentials import Issuer, tampered
from hammer import Ask

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "demo"))

from stage import NotStarted, end, environment, free_port, program

T = TypeVar("T")


class Absent(Exception):
    """A peer cannot take part on this machine, and why."""


@dataclass(frozen=True)
class Target:
    """What a peer has started: where to ask, which processes to charge, what to ask, and what it must refuse."""

    port: int
    pids: tuple[int, ...]
    asks: Sequence[Ask]
    refuses: Sequence[Ask] = ()
    checked: Callable[[], float] | None = None  # signatures it has checked so far, by its own count
    checks_each: float = 0.0  # … and how many an answer must have cost
    known: int = 0  # … but for this many tokens at most, which the warm-up left behind


@dataclass(frozen=True)
class Peer:
    """One line of the report."""

    name: str
    group: str
    label: str
    start: Callable[[Place], Target]
    gateway: str = ""  # whose whole chain it is
    alone: bool = False  # … in which nobody checks: what the others of that gateway are held against


@dataclass
class Place:
    """Ends what it started, last started first, when the ``with`` block ends."""

    folder: Path
    cores: Cores
    issuer: Issuer = field(default_factory=Issuer)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _made: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self.running:
            root = self.running.pop()
            family = tree([root.pid]) - {root.pid}  # of a wrapper that passes no signal on, or a server that crashed
            end(root)
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What several peers share is made once."""
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made

    def start(self, name: str, command: Sequence[str | Path], port: int, cwd: Path | None = None) -> int:
        """Start a program on the server's core and wait until it listens; returns its pid.  Raises NotStarted."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output, pinned(self.cores.server):
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
            )
        self.running.append(process)
        for _ in range(600):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return process.pid
            time.sleep(0.05)
        raise NotStarted(f"{name} does not listen on 127.0.0.1:{port}\n{log.read_text()[-3000:]}")

    def token(self) -> str:
        """The token that everybody knows."""
        return self.once("token", self.issuer.token)

    def jwks(self, *algorithms: str) -> str:
        """The key set as text."""
        return json.dumps(self.issuer.jwks(*algorithms))


def ask(token: str | None = None, status: int = 204, target: str = "/orders/7", *more: str) -> Ask:
    """A GET as a client or gateway would send it."""
    lines = [f"GET {target} HTTP/1.1", "Host: api.example.com", "User-Agent: bench/1", "Accept: */*", *more]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return Ask("\r\n".join([*lines, "", ""]).encode(), status)


def refusals(place: Place) -> list[Ask]:
    """What everyone who verifies must answer 401."""
    return [ask(tampered(place.token()), 401), ask(None, 401)]


__all__ = ["Absent", "NotStarted", "Peer", "Place", "Target", "ask", "environment", "free_port", "program", "refusals"]
