"""The way between two processes, and all that can happen on it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.proxy import Proxy

if TYPE_CHECKING:
    from support.valkey import Valkey


@dataclass
class _Trap:
    """What is done when a certain request passes for the so many-eth time."""

    request: bytes
    time: int
    spring: Callable[[], None]
    sprung: asyncio.Event = field(default_factory=asyncio.Event)


class Gate(Proxy):
    """A proxy in front of a server, in both directions: it delays, holds, black-holes, refuses and cuts.

    What a black hole swallowed arrives when it ends, if both ends are still there: as retransmitted segments do.
    """

    def __init__(self, server: Valkey, seed: int = 0) -> None:
        super().__init__(server.port)
        self.server = server
        self.jitter = 0.0  # seconds, at most, for each piece of either direction
        self._traps: list[_Trap] = []
        self._refusing = False
        self._requests = asyncio.Event()
        self._requests.set()
        self._random = random.Random(seed)

    @property
    def open(self) -> bool:
        """Nothing is held or refused."""
        return self._requests.is_set() and self._open.is_set() and not self._refusing

    def route(self, server: Valkey, *, cut: bool = True) -> None:
        """Lead elsewhere from now on.  Connections that stand are cut, or stay with whom they are."""
        if cut and server is not self.server:
            self.cut()
        self.server = server

    def black_hole(self) -> None:
        """Nothing passes, and nobody is told."""
        self._requests.clear()
        self.hold()

    def hold_requests(self) -> None:
        """Requests are kept back."""
        self._requests.clear()

    def refuse(self) -> None:
        """Connections that stand are cut, new ones refused."""
        self._refusing = True
        self.cut()

    def cut_at(self, request: bytes) -> asyncio.Event:
        """Cut, once, instead of passing on a request that holds these bytes; the event tells when."""
        return self._trap(request, 1, self.cut)

    def hold_at(self, request: bytes, time: int = 1) -> asyncio.Event:
        """Keep back that request, and all after it, until ``heal``; the event tells when it came."""
        return self._trap(request, time, self.hold_requests)

    def _trap(self, request: bytes, time: int, spring: Callable[[], None]) -> asyncio.Event:
        trap = _Trap(request, time, spring)
        self._traps.append(trap)
        return trap.sprung

    def heal(self) -> None:
        """As good as new."""
        self._refusing, self.jitter = False, 0.0
        self._requests.set()
        self.release()

    async def __aexit__(self, *more: object) -> None:
        self._requests.set()
        await super().__aexit__(*more)
        while self._writers:  # each connection ends by itself, now that it was cut
            await asyncio.sleep(0.001)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        self.target = ("127.0.0.1", self.server.port)
        await super()._serve(reader, writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not back:
                    self._watch(data)
                if self.jitter:
                    await asyncio.sleep(self._random.uniform(0, self.jitter))
                await (self._open if back else self._requests).wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    def _watch(self, data: bytes) -> None:
        for trap in tuple(self._traps):
            trap.time -= data.count(trap.request)
            if trap.time <= 0:
                self._traps.remove(trap)
                trap.spring()
                trap.sprung.set()
