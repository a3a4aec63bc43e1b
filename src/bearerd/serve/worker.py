"""One worker: a process of its own that decides.  ``python -m bearerd.serve CONTROL PARENT PROFILE``.

It binds nothing.  It inherits every listening socket, accepts from those that the supervisor tells it to, and ends when the
supervisor says so or is gone.  It never reads the configuration file: it is given what the supervisor has validated, so
that a replacement starts with the configuration in use, whatever has become of the file since.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import os
import signal
import socket
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

from bearerd import log
from bearerd.config.model import Config
from bearerd.config.papers import Papers
from bearerd.faces.app import public_runner
from bearerd.faces.server import handlers
from bearerd.lane.clerk import Clerk
from bearerd.serve import approvals, errands, http, process
from bearerd.serve.channel import Channel
from bearerd.serve.departure import depart
from bearerd.serve.doors import Doors
from bearerd.serve.handshakes import Handshakes
from bearerd.serve.orders import Orders
from bearerd.serve.room import make_room
from bearerd.service import Service

if TYPE_CHECKING:
    from aiohttp import web

    from bearerd.serve.rpc import Rpc

BEAT_SECONDS: Final = 1.0
OTHER_FILES: Final = 64  # beside the connections: strangers that take all of these must not part us from the store
EAGER_SECONDS: Final = 0.1  # until ready: whoever waits for us should not wait for the next beat

_LOGGER: Final = logging.getLogger("bearerd.worker")


class Worker:
    """See the module."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._channel: Channel | None = None
        self._service: Service | None = None
        self._runner: web.ServerRunner | None = None
        self._clerk: Clerk | None = None
        self._doors: Doors | None = None
        self._handshakes: Handshakes | None = None
        self._rpc: Rpc | None = None
        self._page = contextlib.AsyncExitStack()  # of the approvals
        self._open: list[int] = []  # the slots that we accept from
        self._slots: list[list[socket.socket]] = []
        self._unix: list[socket.socket] = []
        self._order = asyncio.Lock()
        self._news = asyncio.Event()
        self._end = asyncio.Event()
        self._patience = 0.0
        self._successor = False

    async def run(self) -> int:
        """Serve until told to leave, or until the supervisor is gone; returns the exit code."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log.on_loop_exception)
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_leave)
        self._channel = await Channel.over(self._control, self._told, self._asked)
        listening = loop.create_task(self._channel.run())
        beating = loop.create_task(self._beat())
        ending = loop.create_task(self._end.wait())
        try:
            await asyncio.wait((listening, ending), return_when=asyncio.FIRST_COMPLETED)
            await self._leave()
        finally:
            beating.cancel()
            self._channel.close()
            await asyncio.gather(listening, return_exceptions=True)
            ending.cancel()
        return 0

    # ---- what the supervisor says

    def _told(self, what: str, fields: dict[str, Any]) -> None:
        if what == "serve":
            self._serve(fields["slots"], unix=fields["unix"])
        elif what == "leave":
            self._patience, self._successor = float(fields["patience"]), bool(fields["successor"])
            self._end.set()

    async def _asked(self, what: str, fields: dict[str, Any]) -> Any:
        if what == "start":
            async with self._order:
                return await self._start(Orders(**fields))
        if what == "reload":
            async with self._order:  # after the start, where that is still under way
                return await self._serving.reload(Config.model_validate(fields["config"]))
        if what == "store":
            async with self._order:
                return self._serving.store_moved(fields["url"])
        if what == "papers":
            async with self._order:
                return await self._take(fields["papers"])
        return await errands.ERRANDS[what](self._serving, fields)

    @property
    def _serving(self) -> Service:
        if self._service is None:
            raise RuntimeError("not started")
        return self._service

    async def _start(self, orders: Orders) -> dict[str, Any]:
        self._slots = [[socket.socket(fileno=number) for number in slot] for slot in orders.slots]
        self._unix = [socket.socket(fileno=number) for number in orders.unix]
        config = Config.model_validate(orders.config)
        if config.server.tls is not None and orders.papers is None:
            raise RuntimeError("TLS is configured, and there is no certificate to show")
        page = mmap.mmap(orders.page, 0)
        os.close(orders.page)
        service = Service(
            config,
            data_dir=Path(orders.data_dir),
            page=page,
            store_is_ours=orders.store_is_ours,
            seen=orders.clocks,
        )
        handshakes = self._handshakes = Handshakes(service.metrics)
        wanted = config.limits.max_connections
        others = OTHER_FILES + (http.MAX_CONNECTIONS if orders.approvals else 0)
        most = process.room(wanted, reserve=others, shares=1 + bool(orders.grpc))
        if most < wanted:
            _LOGGER.warning("max_connections is more than the limit of open files has room for", extra={"taken": most})
        if orders.grpc:
            from bearerd.serve.rpc import Rpc

            self._rpc = Rpc(service, orders.grpc, most)
        await self._take(orders.papers)
        runner = public_runner(service)
        await runner.setup()
        server = runner.server
        assert server is not None  # noqa: S101 - set up just now
        theirs = handlers(server)
        clerk = Clerk(service, server)
        ours = clerk.lane.connections
        said = dict(orders.dialects)
        sockets = [*self._unix, *(sock for slot in self._slots for sock in slot)]
        dialects = {sock: said[sock.fileno()] for sock in sockets if sock.fileno() in said}
        self._doors = Doors(
            clerk.connection,
            lambda: len(ours) + len(theirs),
            most,
            handshakes,
            dialects,
            lambda: make_room(chain(ours, theirs)),
        )
        await service.start()
        clerk.start()
        if orders.approvals:
            await self._page.enter_async_context(approvals.serving(service, orders.approvals, orders.session_secret))
        self._service, self._runner, self._clerk = service, runner, clerk
        process.collect_garbage()
        return {"lease": getattr(service, "lease", "")}

    async def _take(self, told: dict[str, Any] | None) -> None:
        """Greet whoever connects from now on with these."""
        if self._handshakes is None:
            raise RuntimeError("not started")
        papers = None if told is None else Papers(**told)
        self._handshakes.take(papers)
        if self._rpc is not None:
            await self._rpc.take(papers)

    def _serve(self, slots: list[int], *, unix: bool) -> None:
        """Accept from these slots' sockets, and from the unix sockets, which belong to all."""
        if self._doors is not None:
            shared = self._unix if unix else []
            self._doors.open([*shared, *(sock for slot in slots for sock in self._slots[slot])])
            if self._rpc is None or not slots:
                self._opened(slots)
            else:  # whoever serves a slot answers gRPC, too, and says so only then
                self._rpc.begin(lambda: self._opened(slots))

    def _opened(self, slots: list[int]) -> None:
        self._open = slots
        self._news.set()

    # ---- what the supervisor hears

    async def _beat(self) -> None:
        """News of us, and the sign that our loop turns."""
        assert self._channel is not None  # noqa: S101 - begun with it
        while True:
            health = None if self._service is None else self._service.health()
            self._channel.tell("beat", health=health, open=self._open)
            self._news.clear()
            pause = BEAT_SECONDS if health is not None and health["ready"] else EAGER_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), pause)

    def _asked_to_leave(self) -> None:
        """SIGTERM to us alone: the supervisor starts our successor first, or is ending itself."""
        if self._channel is not None:
            self._channel.tell("leaving")

    # ---- the end

    async def _leave(self) -> None:
        cut = 0
        server = None if self._runner is None else self._runner.server
        last = None
        if self._rpc is not None:
            last = asyncio.create_task(self._rpc.leave(self._patience))
        if self._doors and self._clerk and self._runner and server:
            cut = await depart(server, self._clerk, self._doors, self._patience, successor=self._successor)
            await self._runner.cleanup()
        if last is not None:
            cut += await last
        if cut:
            _LOGGER.warning("requests were cut off: drain_timeout has passed", extra={"connections": cut})
        await self._page.aclose()
        if self._service is not None:
            await self._service.close()


def main() -> int:
    """The process."""
    control, parent, profile = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    process.die_with_parent(parent)
    if profile == "production":
        process.forbid_dumps()
    log.setup()
    try:
        with contextlib.closing(socket.socket(fileno=control)) as sock:
            return uvloop.run(Worker(sock).run())
    finally:
        log.close()
