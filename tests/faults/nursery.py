"""Where workers come from: one process that has imported everything and forks.

A fresh interpreter needs most of a second of processor time to import bearerd; runs have many workers and restart them often.
Each is a process of its own all the same, with nothing in common but the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

_TESTS = Path(__file__).parents[1]
_PR_SET_PDEATHSIG = 1


class Nursery:
    """The driver's end."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self._turn = threading.Lock()
        paths = os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH"))))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faults.nursery"], stdin=theirs, env={**os.environ, "PYTHONPATH": paths}
            )

    async def born(self, log: Path) -> tuple[socket.socket, int]:
        """A new worker process: its standard input and output, and a descriptor to signal it by."""
        ours, theirs = socket.socketpair()
        with theirs:
            pid = await asyncio.to_thread(self._asked, str(log).encode(), theirs.fileno())
        return ours, os.pidfd_open(pid)

    def _asked(self, log: bytes, end: int) -> int:
        with self._turn:
            socket.send_fds(self._socket, [log], [end])
            return int(self._socket.recv(64))

    def close(self) -> None:
        """Its children are gone with it."""
        self._socket.close()
        self._process.wait()


def main() -> None:
    """Fork for each log file that is named with a socket."""
    from faults import node

    asked = socket.socket(fileno=0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the driver reads until the end
    while True:
        log, given, _, _ = socket.recv_fds(asked, 4096, 1)
        if not given:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with contextlib.suppress(OSError):
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            errors = os.open(log.decode(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for target, source in ((0, given[0]), (1, given[0]), (2, errors)):
                os.dup2(source, target)
            asked.detach()
            os.closerange(3, 64)
            node.main()
        os.close(given[0])
        asked.send(str(pid).encode())


if __name__ == "__main__":
    main()
