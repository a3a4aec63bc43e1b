"""The driver's end of a worker process: what it asks and hears goes into the history."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from typing import TYPE_CHECKING, Any

from bearerd._native.revocations import EVERY_KEY
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from faults.history import History
    from faults.nursery import Nursery

_LIMIT = 1 << 24  # bytes of a line: an exported view
_numbers = itertools.count(1)


class Gone(Exception):
    """The process ended before it answered."""


class Node:
    """A worker with a name; ``start`` begins a new life of it."""

    def __init__(self, name: str, setup: Mapping[str, Any], history: History, home: Path, nursery: Nursery) -> None:
        self.name = name
        self.setup = dict(setup)
        self.history = history
        self.home = home
        self.data_dir = home / f"of-{name}"  # its own: each is a machine's only worker
        self.life = 0
        self.stopped = False
        self.up = False  # a process runs (it may be stopped)
        self.lease = ""
        self.delays: list[tuple[float, float]] = []
        self.lagging = 0  # questions that it has not answered yet
        self._nursery = nursery
        self._process = -1  # a descriptor that signals can be sent by: no other process ever gets them
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter

    async def start(self) -> None:
        """Begin a new life, and wait until it answers; it may not have met the store yet."""
        self.life += 1
        log = self.home / f"{self.name}.log"
        sock, self._process = await self._nursery.born(log)
        reader, self._writer = await asyncio.open_connection(sock=sock, limit=_LIMIT)
        self.data_dir.mkdir(exist_ok=True)
        self._writer.write(json.dumps(self.setup | {"data_dir": str(self.data_dir)}).encode() + b"\n")
        async with asyncio.timeout(60):
            first = await reader.readline()
        if not first:
            raise RuntimeError(log.read_text()[-3000:])
        self.lease = json.loads(first)["lease"]
        self.up = True
        self._reading = asyncio.create_task(self._read(reader))
        self.history.note("node", node=self.name, life=self.life)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                message = json.loads(line)
                future = self._waiting.pop(message.pop("id"), None)
                if future is not None and not future.done():
                    future.set_result(message)
        self.up = False
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Gone(self.name))

    async def call(self, do: str, **fields: Any) -> dict[str, Any]:
        """One command.  Raises Gone."""
        if not self.up:
            raise Gone(self.name)
        number = next(_numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._writer.write(json.dumps({"id": number, "do": do} | fields).encode() + b"\n")
            answer: dict[str, Any] = await future
        except OSError:
            raise Gone(self.name) from None
        finally:
            self._waiting.pop(number, None)
        if "broken" in answer:
            raise AssertionError(f"{self.name}: {do}: {answer['broken']}")
        return answer

    # ---- noted in the history

    async def ask(self, name: str, token: str, resource: str = "api") -> dict[str, Any] | None:
        """One decision; None if the process ended before it answered."""
        number = next(_numbers)
        life = self.life
        about = {"id": number, "node": self.name, "life": life, "token": name, "resource": resource}
        self.history.note("ask", **about)
        self.lagging += 1
        try:
            answer = await self.call("decide", token=token, resource=resource)
        except Gone:
            return None
        finally:
            self.lagging -= 1
        return self.history.note("answer", **about, **answer)

    async def write(self, do: str, target: Mapping[str, str], *, ack: str = "enforced", **more: Any) -> dict[str, Any]:
        """One revocation, lift or reset.  ``target``: kind, issuer and value; of a reset nothing."""
        number, life = next(_numbers), self.life
        key = entries.key(Kind.named(target["kind"]), target["issuer"], target["value"]) if target else EVERY_KEY
        who = {"op": number, "node": self.name, "life": life, "do": do, "key": key.hex()}
        self.history.note("invoke", **who, ack=ack, target=dict(target))
        try:
            answer = await self.call(do, **target, ack=ack, **more)
        except Gone:
            return self.history.note("failed", **who, error="the process ended", sure=False, members=[])
        return self.history.note("failed" if "error" in answer else "done", **who, ack=ack, **answer)

    async def look(self, phase: str) -> dict[str, Any] | None:
        """Its view, noted; None if the process ended."""
        life = self.life
        try:
            answer = await self.call("export")
        except Gone:
            return None
        return self.history.note("view", phase=phase, node=self.name, life=life, **answer)

    async def collect(self) -> list[tuple[float, float]]:
        """How long revocations took to arrive: (boot time, seconds)."""
        with contextlib.suppress(Gone):
            self.delays += [(at, seconds) for at, seconds in (await self.call("delays_since"))["delays"]]
        return self.delays

    # ---- what is done to it

    def stop(self) -> None:
        """SIGSTOP."""
        if self.up and not self.stopped:
            self.stopped = True
            signal.pidfd_send_signal(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self.up and self.stopped:
            signal.pidfd_send_signal(self._process, signal.SIGCONT)
        self.stopped = False

    async def kill(self) -> None:
        """SIGKILL; whoever waits for an answer is told that it is gone."""
        if self._process < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        os.close(self._process)
        self._process = -1
        self.stopped = False
        if self._reading is not None:
            await self._reading
        self._writer.close()
