"""The programs of `make outages`, on the cores that are meant for them, and how they are made to hang."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import string
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples" / "demo"))

from ask import request, token  # noqa: E402
from stage import Stage, free_port  # noqa: E402

from bearerd.store.embedded import find_server  # noqa: E402

STORE = {"memory": ["--appendonly", "no"], "fsync": ["--appendonly", "yes", "--appendfsync", "always"]}
TICKS = os.sysconf("SC_CLK_TCK")
ALONE, *_, SHARED = sorted(os.sched_getaffinity(0)) * 2  # the worker's core, and that of everything else


@dataclass
class Node:
    """One bearerd of one worker."""

    stage: Stage
    worker: int  # process id
    admin_token: str

    @property
    def port(self) -> int:
        """Where gateways ask."""
        return self.stage.ports["bearerd"]

    @property
    def admin(self) -> int:
        """Where operators ask."""
        return self.stage.ports["admin"]

    def metrics(self) -> str:
        """The exposition."""
        return request(self.stage.ports["probes"], "GET", "/metrics", {}).body.decode()

    def cpu(self) -> float:
        """Seconds that the worker has computed so far (all its threads, in the kernel, too)."""
        after_name = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS


@dataclass
class Rig:
    """Everything that runs."""

    stage: Stage
    asked: Node
    other: Node

    @property
    def issuer(self) -> str:
        """The issuer's identifier."""
        return self.stage.url("issuer")

    def token(self, client: str, resource: str) -> str:
        """A good token."""
        return token(self.stage.ports["issuer"], client, f"https://{resource}.example/", "api orders:read")

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Store and issuer hang: their sockets stay open, the kernel takes what is sent, and nothing answers."""
        pids = [self.stage.pid(name) for name in ("store", "issuer")]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def pin(pid: int, core: int) -> None:
    """Keep a process, with all its threads, on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


@contextlib.contextmanager
def running(durability: str, max_staleness: float) -> Iterator[Rig]:
    """Store, issuer and two bearerds; the worker that is asked has a core for itself."""
    pin(os.getpid(), SHARED)  # and so every program that is started from here
    build = HERE.parent / "build"  # a real disk, where the temporary directory may be none
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="outages-") as name, Stage.on_free_ports(Path(name)) as stage:
        stage.start_issuer()
        port = free_port()
        (stage.folder / "store").mkdir()
        command = [str(find_server()), "--bind", "127.0.0.1", "--port", str(port), "--save", "", *STORE[durability]]
        stage.start("store", command, port=port, cwd=stage.folder / "store")
        settings = {"store": str(port), "durability": durability, "max_staleness": f"{max_staleness:g}s"}
        with Stage.on_free_ports(stage.folder / "other") as second:
            second.ports["issuer"] = stage.ports["issuer"]
            rig = Rig(stage, _node(stage, settings), _node(second, settings))
            pin(rig.asked.worker, ALONE)
            yield rig


def _node(stage: Stage, settings: dict[str, str]) -> Node:
    config = stage.folder / "bearerd.toml"
    text = stage.moved((HERE / "outages.toml").read_text())
    config.write_text(string.Template(text).substitute(settings))
    stage.start_bearerd(config)
    admin_token = (stage.folder / ".bearerd" / "admin.token").read_text().strip()
    return Node(stage, _worker(stage.ports["admin"], admin_token), admin_token)


def _worker(admin: int, admin_token: str) -> int:
    """The worker's process id, once it is up."""
    for _ in range(100):
        answer = request(admin, "GET", "/v1/health", {"Authorization": f"Bearer {admin_token}"})
        found: list[dict[str, Any]] = json.loads(answer.body)["workers"]
        if [worker["phase"] for worker in found] == ["up"]:
            return int(found[0]["pid"])
        time.sleep(0.1)
    raise RuntimeError("bearerd has no worker")
