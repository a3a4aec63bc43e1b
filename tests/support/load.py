"""Clients that ask all the time on connections that they keep, as gateways do, and count what they were not answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import TracebackType
from typing import Protocol, Self

from support.bearerd import PATIENCE
from support.wire import Wire

PAUSE = 0.005  # seconds after each answer: a hundred a second of each client, and a processor left for whom they ask


class Listening(Protocol):
    """What is asked: a bearerd, or a gateway before one."""

    @property
    def port(self) -> int: ...


class Load:
    """So many clients.  A client opens a new connection when the server says that it closes the old one, or did."""

    def __init__(
        self, asked: Listening, *headers: tuple[str, str], clients: int = 8, target: str = "/auth/api"
    ) -> None:
        self.port = asked.port
        self.headers = headers
        self.target = target
        self.clients = clients
        self.statuses: Counter[int] = Counter()
        self.opened = 0
        self.refused: list[str] = []  # connections that could not be opened
        self.lost: list[str] = []  # requests that were sent and not answered
        self._tasks: list[asyncio.Task[None]] = []
        self._done = False

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self.clients)]
        await self.more(self.clients * 4)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done = True
        await asyncio.gather(*self._tasks)

    @property
    def answered(self) -> int:
        return self.statuses.total()

    async def more(self, count: int) -> None:
        """Until so many more requests were answered."""
        goal, deadline = self.answered + count, time.monotonic() + PATIENCE
        while self.answered < goal:
            assert time.monotonic() < deadline, "nobody answers any more"
            await asyncio.sleep(0.005)

    async def _client(self) -> None:
        wire: Wire | None = None
        while not self._done:
            if wire is None:
                try:
                    wire = await Wire.to(self.port)
                except OSError as error:
                    self.refused.append(repr(error))
                    await asyncio.sleep(0.01)
                    continue
                self.opened += 1
            try:
                reply = await wire.ask(self.target, *self.headers)
            except (OSError, EOFError) as error:
                self.lost.append(repr(error))
                wire = None
                continue
            self.statuses[reply.status] += 1
            if (reply.get("Connection") or "").lower() == "close":
                await wire.close()
                wire = None
            await asyncio.sleep(PAUSE)
        if wire is not None:
            await wire.close()
