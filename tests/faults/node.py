"""One worker as a process of its own, so that it can be stopped and killed: JSON lines on standard input and output (a socket).

It is ``bearerd.service.Service`` and ``bearerd.flow.Flow`` as every worker runs them, over the configuration that it is given,
with a quicker pace and a shorter grace (all clocks of a run are one machine's).  The first line sets it up; ``mutants`` names
the seeded bugs of ``faults.mutants`` that it is to have.  Then each line is ``{"id": …, "do": …, …}`` and each is answered by
``{"id": …, …}``, in whatever order they end.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import math
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from faults import mutants

from bearerd import request as view
from bearerd import service as services
from bearerd._native import clock
from bearerd.config.model import Config
from bearerd.decision import Pending
from bearerd.errors import BearerdError
from bearerd.flow import Flow
from bearerd.service import Service
from bearerd.store import client as clients
from bearerd.store import revocations, sync
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.decision import Now

_written: contextvars.ContextVar[list[str]] = contextvars.ContextVar("written")


class Node:
    """The service, and the commands it is asked."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.delays: list[tuple[float, float]] = []  # (boot time, seconds from a revocation's write to our table)
        self.sync: sync.Sync
        sync.GRACE = revocations.GRACE = setup["grace"]  # type: ignore[misc]
        pace = sync.Pace(setup["lease"], setup["heartbeat"], setup["heartbeat"] + setup["timeout"])
        services.Sync = self._synced(pace, replicated=setup["replicated"])  # type: ignore[assignment,misc]
        services.RESTART_SECONDS = 0.2  # type: ignore[misc]
        connect = clients.connect
        services.store_client = type(
            "quick", (), {"connect": staticmethod(lambda store: connect(store, timeout=setup["timeout"]))}
        )  # type: ignore[assignment]
        for name in setup["mutants"]:
            mutants.apply(name)
        config = Config.model_validate(setup["config"])
        few = config.limits.model_copy(update={"max_revocations": setup["most"]})  # fewer than one may configure
        config = config.model_copy(update={"limits": few})
        self.service = Service(config, data_dir=Path(setup["data_dir"]), store_is_ours=setup["ours"])
        self.flow = Flow(self.service)

    def _synced(self, pace: sync.Pace, *, replicated: bool) -> Callable[..., sync.Sync]:
        def make(*args: Any, **options: Any) -> sync.Sync:
            ours = {"pace": pace, "observe": self._observe, "replicated": replicated}
            self.sync = made = sync.Sync(*args, **(options | ours))
            write = made.log.write

            async def remember(link: Any, position: Any, member: bytes, most: int) -> Any:
                told = _written.get(None)
                if told is not None:
                    told.append(member[:32].hex())
                wrote = await write(link, position, member, most)
                if told is not None and wrote.answer != "ok":
                    told.pop()
                return wrote

            made.log.write = remember  # type: ignore[method-assign]
            return made

        return make

    def _observe(self, seconds: float) -> None:
        self.delays.append((clock.boot(), seconds))

    # ---- commands

    async def decide(self, token: str, resource: str = "api") -> dict[str, Any]:
        """One decision, and the age that the view claimed at the moment of it (an ``available`` resource: what it counts)."""
        headers = [(b"Authorization", b"Bearer " + token.encode())]
        request = view.of("GET", b"/", headers=headers, trusted=True)
        at = self.service.time.now()
        held = self.service.view
        age = held.age(at) if resource == "api" else held.known_age(at)
        found = self.flow.decide_now(resource, request, at)
        if isinstance(found, Pending):
            raise TypeError("a decision waits: the keys stand in the configuration")
        return {"allowed": found.allowed, "code": found.code and str(found.code)} | _told(at, age)

    async def revoke(self, kind: str, issuer: str, value: str, ack: str, **more: Any) -> dict[str, Any]:
        return await self._write(lambda writer: writer.revoke(Kind.named(kind), issuer, value, ack=ack, **more))

    async def lift(self, kind: str, issuer: str, value: str, ack: str) -> dict[str, Any]:
        return await self._write(lambda writer: writer.lift(Kind.named(kind), issuer, value, ack=ack))

    async def reset(self, ack: str) -> dict[str, Any]:
        return await self._write(lambda writer: writer.reset(ack=ack))

    async def _write(self, what: Callable[[revocations.Writer], Any]) -> dict[str, Any]:
        written: list[str] = []
        _written.set(written)
        if self.service.writer is None:
            return {"error": "this process has not met the store yet", "sure": True, "members": []}
        try:
            got = await what(self.service.writer)
        except (BearerdError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}", "sure": not written, "members": written}
        return {
            "acknowledged": got.acknowledged,
            "durability": got.durability,
            "missing": list(got.missing),
            "enforced_by": got.enforced_by,
            "member": written[-1],
            "boot": clock.boot(),
        }

    async def export(self) -> dict[str, Any]:
        """The view as it is now: its age first, then what it holds."""
        at = self.service.time.now()
        held = self.service.view
        entries = held.table.export(int(at.wall)).hex()
        return {
            "position": held.position and list(held.position),
            "entries": [entries[start : start + 64] for start in range(0, len(entries), 64)],
            "problem": held.problem,
        } | _told(at, held.age(at))

    async def delays_since(self) -> dict[str, Any]:
        """Propagation, since last asked."""
        told, self.delays = self.delays, []
        return {"delays": told}

    async def lease(self) -> dict[str, Any]:
        return {"lease": self.service.lease}

    async def caught_up(self) -> dict[str, Any]:
        await self.sync.caught_up()
        return {}


def _told(at: Now, age: float) -> dict[str, Any]:
    return {"boot": at.boot, "wall": at.wall, "age": age if math.isfinite(age) else None}


async def _serve() -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=os.dup(0)), limit=1 << 20)
    node = Node(json.loads(await reader.readline()))
    await node.service.start()
    tasks: set[asyncio.Task[None]] = set()

    def say(message: dict[str, Any]) -> None:
        writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def run(command: dict[str, Any]) -> None:
        number, what = command.pop("id"), command.pop("do")
        try:
            answer = await getattr(node, what)(**command)
        except Exception as error:  # noqa: BLE001 - told to the driver, which fails the run
            answer = {"broken": f"{type(error).__name__}: {error}"}
        say({"id": number} | answer)

    say({"id": 0, "lease": node.service.lease})
    while line := await reader.readline():
        task = asyncio.create_task(run(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)  # the driver is gone, or wants us gone as if killed


def main() -> None:
    """The whole life of the process."""
    try:
        uvloop.run(_serve())
    except BaseException:  # noqa: BLE001 - it is the end, and the driver reads the log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
