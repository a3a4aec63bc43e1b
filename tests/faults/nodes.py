"""The driver's end of a worker process: what it asks and hears goes into the history."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bearerd._native.revocations import EVERY_KEY
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faults.history import History

_TESTS = Path(__file__).parents[1]
_LIMIT = 1 << 24  # bytes of a line: an exported view
_numbers = itertools.count(1)


class Gone(Exception):
    """The process ended before it answered."""


class Node:
    """A worker with a name; ``start`` begins a new life of it."""

    def __init__(self, name: str, setup: Mapping[str, Any], history: History, home: Path) -> None:
        self.name = name
        self.setup = dict(setup)
        self.history = history
        self.home = home
        self.life = 0
        self.stopped = False
        self.lease = ""
        self.delays: list[tuple[float, float]] = []
        self.lagging = 0  # questions that it has not answered yet
        self.process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def up(self) -> bool:
        """A process runs (it may be stopped)."""
        return self.process is not None and self.process.returncode is None and self._ready.is_set()

    async def start(self, **changes: Any) -> None:
        """Begin a new life, and wait until it answers; it may not have met the store yet."""
        self.life += 1
        self.setup |= changes
        self._ready.clear()
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / f"{self.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("node.py")),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LIMIT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH")))),
                },
            )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(self.setup | {"data_dir": str(self.home)}).encode() + b"\n")
        self._reading = asyncio.create_task(self._read(self.process))
        async with asyncio.timeout(60):
            await self._ready.wait()
        if self._reading.done():
            raise RuntimeError((self.home / f"{self.name}.log").read_text()[-3000:])
        self.history.note("node", node=self.name, life=self.life, pid=self.process.pid)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := await process.stdout.readline():
                message = json.loads(line)
                if message["id"] == 0:
                    self.lease = message["lease"]
                    self._ready.set()
                    continue
                future = self._waiting.pop(message.pop("id"), None)
                if future is not None and not future.done():
                    future.set_result(message)
        self._ready.set()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Gone(self.name))

    async def call(self, do: str, **fields: Any) -> dict[str, Any]:
        """One command.  Raises Gone."""
        if not self.up:
            raise Gone(self.name)
        assert self.process is not None
        assert self.process.stdin is not None
        number = next(_numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self.process.stdin.write(json.dumps({"id": number, "do": do} | fields).encode() + b"\n")
            answer: dict[str, Any] = await future
        except OSError:
            raise Gone(self.name) from None
        finally:
            self._waiting.pop(number, None)
        if "broken" in answer:
            raise AssertionError(f"{self.name}: {do}: {answer['broken']}")
        return answer

    # ---- noted in the history

    async def ask(self, name: str, token: str) -> dict[str, Any] | None:
        """One decision; None if the process ended before it answered."""
        number = next(_numbers)
        life = self.life
        self.history.note("ask", id=number, node=self.name, life=life, token=name)
        self.lagging += 1
        try:
            answer = await self.call("decide", token=token)
        except Gone:
            return None
        finally:
            self.lagging -= 1
        return self.history.note("answer", id=number, node=self.name, life=life, token=name, **answer)

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
            assert self.process is not None
            self.stopped = True
            os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self.up and self.stopped:
            assert self.process is not None
            os.kill(self.process.pid, signal.SIGCONT)
        self.stopped = False

    async def kill(self) -> None:
        """SIGKILL; whoever waits for an answer is told that it is gone."""
        process = self.process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self.stopped = False
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        if self._reading is not None:
            await self._reading
