"""The supervisor: binds every socket, owns the store, probes, admin and metrics, and keeps the workers alive.

It verifies no token and decides nothing: a fault in what a stranger can send ends a worker, never this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING, Any, Final

from bearerd import __version__, log
from bearerd._native import clock
from bearerd.config import effective, load
from bearerd.errors import BearerdError, ConfigError, StoreError
from bearerd.serve import admin, listeners, probes, process, reload, watchdog
from bearerd.serve.channel import NotDone
from bearerd.serve.crew import Crew
from bearerd.serve.desk import Desk
from bearerd.serve.errors import NotStarted
from bearerd.serve.folder import Held
from bearerd.serve.hiring import Terms
from bearerd.serve.http import serving
from bearerd.serve.page import Pages
from bearerd.serve.renewal import Renewal
from bearerd.store import client as store_client
from bearerd.store import server as store_server
from bearerd.store import sync
from bearerd.store.embedded import Embedded
from bearerd.timekeeper import Timekeeper

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from bearerd.serve.member import Member
    from bearerd.serve.reload import Signature, Source

RECENTLY: Final = 60.0  # seconds: whoever asked for readiness within them will ask again
NOTICE_SECONDS: Final = 1.0  # for it to learn that we are draining, before we stop to accept
STORE_PATIENCE: Final = 3.0  # for its answer at the start
STORE_PAUSE: Final = 1.0  # before an embedded store that ended is started again

_LOGGER: Final = logging.getLogger("bearerd.supervisor")


class Supervisor:
    """One bearerd, from its start to its end."""

    def __init__(self, source: Source, environ: Mapping[str, str]) -> None:
        self._source = source  # as it was at the start
        self._file = reload.File(source)
        self._environ = environ
        self._config = source.config  # in use
        self._store: Embedded | None = None
        self._stop = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._crew: Crew
        self._desk: Desk
        self._pages: Pages
        self._renewal: Renewal

    async def run(self) -> None:
        """Serve until a signal says to stop.  Raises NotStarted."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log.on_loop_exception)
        loop.add_signal_handler(signal.SIGTERM, self._stopped)
        loop.add_signal_handler(signal.SIGINT, self._stopped)
        # Until workers have what they start with, a reload waits; and all that start now are new.
        early = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, early.set)
        loop.add_signal_handler(signal.SIGUSR2, lambda: None)
        async with contextlib.AsyncExitStack() as stack:
            await self._set_up(stack)
            loop.add_signal_handler(signal.SIGHUP, lambda: self._task(self._reload()))
            loop.add_signal_handler(signal.SIGUSR2, lambda: self._task(self._crew.roll()))
            if early.is_set():
                self._task(self._reload())
            self._task(watchdog.run(self._crew))
            self._task(self._keep_time())
            self._task(self._file.watch(self._changed))
            self._task(self._renewal.watch(self._renew))
            await self._until_stopped()

    # ---- start

    async def _set_up(self, stack: contextlib.AsyncExitStack) -> None:
        """Everything that can be in somebody's way is taken first; workers come last."""
        config, path = self._config, self._source.path
        server = config.server
        for warning in effective.warnings(config, path):
            _LOGGER.warning("configuration", extra={"detail": warning})
        process.raise_file_limit()
        held = Held(load.data_dir(config, path))
        stack.callback(held.release)
        slots = process.worker_count(server.workers)
        public = listeners.bind(server.listen, slots)
        stack.callback(public.close)
        if isinstance(server.grpc, str):
            listeners.reserve(public, server.grpc)
        own = {}
        for name in ("admin", "probes"):
            own[name] = listeners.bind_alone(getattr(server, name))
            for sock in own[name]:
                stack.callback(sock.close)
        if config.approvals is not None and config.approvals.listen is not None:
            public.approvals = listeners.bind_alone(config.approvals.listen)
        await self._start_store(held, stack)
        await self._check_store()
        stack.callback(self._cancel_tasks)
        self._pages = Pages()
        stack.callback(self._pages.close)
        self._told_reload(None)
        ours = self._store is not None
        self._renewal = Renewal(server, self._pages.own)
        time = Timekeeper(effective.clock_hold(self._config))
        url = None if self._store is None else self._store.url
        terms = Terms(self._config, held.folder, ours, papers=self._renewal.papers, store_url=url, time=time)
        self._crew = Crew(slots, public, self._pages, terms, self._released)
        self._desk = Desk(self._crew, self._pages, self._config, self._reload, self._crew.roll, renewal=self._renewal)
        await stack.enter_async_context(serving(probes.app(self._desk), own["probes"], config.limits))
        token = held.admin_token()
        await stack.enter_async_context(serving(admin.app(self._desk, token), own["admin"], config.limits))
        stack.push_async_callback(self._crew.dismiss, 0.0)  # whatever happens from here on, none stays behind
        try:
            await self._crew.fill()
        except OSError as error:
            raise NotStarted(f"no worker process could be started: {error.strerror}") from None
        addresses = {
            "pid": os.getpid(),
            "listen": public.names,
            "gateways": public.gateways,
            "admin": listeners.name_of(own["admin"][0]),
            "probes": listeners.name_of(own["probes"][0]),
            "grpc": [listeners.name_of(sock) for sock in public.reserved],
            "approvals": [listeners.name_of(sock) for sock in public.approvals],
        }
        held.tell_addresses(addresses)
        process.collect_garbage()
        _LOGGER.info("started", extra={"version": __version__, "workers": slots, **addresses})

    async def _start_store(self, held: Held, stack: contextlib.AsyncExitStack) -> None:
        if self._config.store.url is not None:
            return
        self._store = Embedded(held.folder)
        try:
            await self._store.start()
        except StoreError as error:
            raise NotStarted(str(error)) from None
        stack.push_async_callback(self._store.stop)
        self._task(self._keep_store())

    async def _check_store(self) -> None:
        """A server that is not fit ends the start (ConfigError); one that does not answer does not: workers go on asking."""
        client = self._store_client()
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await store_server.check(client, self._config.store.durability)
        except (StoreError, TimeoutError) as error:
            _LOGGER.error("starting without the store", extra={"detail": log.told(error)})
        finally:
            await client.close()

    def _store_client(self) -> store_client.Client:
        """A way to the store.  Raises StoreError while an embedded one is not running."""
        return store_client.connect(self._config.store, url=None if self._store is None else self._store.url)

    # ---- life

    async def _until_stopped(self) -> None:
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((stopping, self._crew.hopeless), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not self._stop.is_set():
            raise NotStarted(self._crew.hopeless.result())
        await self._drain()

    def _stopped(self) -> None:
        if self._stop.is_set():
            _LOGGER.warning("told to stop a second time: nothing more is waited for")
            if hasattr(self, "_crew"):
                self._crew.kill()
        self._stop.set()

    async def _drain(self) -> None:
        """Readiness fails first; then what is under way is answered."""
        self._desk.draining = True
        patience = self._config.server.drain_timeout
        _LOGGER.info("stopping", extra={"drain_timeout": patience})
        if clock.boot() - self._desk.readiness_asked < RECENTLY:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._desk.unreadiness_seen.wait(), min(NOTICE_SECONDS, patience))
        await self._crew.dismiss(patience)
        _LOGGER.info("stopped")

    async def _keep_store(self) -> None:
        """The embedded store lives as long as we do: one that ends is started again, and all workers are told where.

        Nothing that may take long is waited for meanwhile: it may end again at any time, as it does on a full disk.
        """
        store = self._store
        while store is not None:
            status = await store.wait()
            _LOGGER.error("the embedded store ended", extra={"status": status})
            await store.stop()
            while True:
                await asyncio.sleep(STORE_PAUSE)
                try:
                    await store.start()
                    break
                except StoreError as error:
                    _LOGGER.error("the embedded store does not start", extra={"detail": str(error)})
            self._task(self._crew.store_moved(store.url))

    async def _keep_time(self) -> None:
        """So that a worker that starts after the wall clock was set back knows of it."""
        while True:
            self._crew.terms.time.review()
            await asyncio.sleep(watchdog.TICK_SECONDS)

    async def _released(self, member: Member) -> None:
        """Give a killed worker's lease back: nobody need wait for it to acknowledge a revocation."""
        if not member.lease or member.process.returncode == 0:
            return
        try:
            client = self._store_client()
            try:
                await sync.release(client, member.lease)
            finally:
                await client.close()
        except BearerdError as error:
            _LOGGER.warning("a dead worker's lease stays until it lapses", extra={"detail": log.told(error)})

    # ---- reload

    async def _changed(self, seen: Signature) -> None:
        """The file was seen like this.  A reload that was asked for may have read it before it is our turn."""
        async with self._reloading:
            if self._file.is_news(seen):
                await self._take_file()

    async def _reload(self) -> str | None:
        """Somebody asks for it: the file is read, though it may not have changed."""
        async with self._reloading:
            return await self._take_file()

    async def _take_file(self) -> str | None:
        """Take the file into use, or say why not and go on with what there is."""
        try:
            changed = await asyncio.to_thread(self._file.read, self._environ)
            found = reload.merged(self._source, changed, self._environ)
            config = found.config
            papers = await asyncio.to_thread(self._renewal.read, config.server)
            await self._crew.reload(config)
        except ConfigError as error:
            problems = [f"{key}: {wrong}" + (f" ({remedy})" if remedy else "") for key, wrong, remedy in error.problems]
            return self._told_reload("; ".join(problems))
        except NotDone as error:
            return self._told_reload(str(error))
        await self._crew.take(papers)
        self._renewal.use(config.server, papers)
        self._config = self._desk.config = config
        self._crew.terms.time.hold = effective.clock_hold(config)
        self._desk.restart_for = found.waiting
        if found.waiting:
            _LOGGER.warning("keys that need a restart are as they were", extra={"keys": found.waiting})
        return self._told_reload(None)

    async def _renew(self) -> None:
        """A file of the certificate's has changed."""
        async with self._reloading:
            await self._renewal.renew(self._crew.take)

    def _told_reload(self, problem: str | None) -> str | None:
        """In the log, in the metrics, and where readiness is asked for."""
        own = self._pages.own
        own.set(float(problem is None), "bearerd_config_last_reload_successful")
        if problem is None:
            own.set(clock.wall(), "bearerd_config_last_reload_timestamp_seconds")
        if hasattr(self, "_desk"):
            self._desk.reload_problem = problem
            if problem is None:
                _LOGGER.info("configuration reloaded")
            else:
                _LOGGER.error("the configuration is not taken into use; the old one stays", extra={"problem": problem})
        return problem

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _task(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
