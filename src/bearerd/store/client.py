"""Connections to the store, each used by one thing at a time and thrown away at the first doubt.

A reply belongs to the command that was sent before it on the same connection.  Whoever gives up waiting (a cancelled task, a
time-out) must therefore never leave a connection on which the next command would read the reply of the last: an exchange runs
to its end in a task of its own, and a connection on which one failed is closed for good.

Only the task that opened a connection for itself exchanges on it directly, and closes it when it is cancelled meanwhile.  A
task between would cost several turns of the loop, and under full load a turn takes milliseconds: it is by these connections
that revocations arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from bearerd.errors import ConfigError, StoreError, StoreRight
from bearerd.store import address, seal
from bearerd.store.names import DEFAULT_FLEET, Names
from bearerd.store.replies import MOST, Unbounded
from bearerd.store.script import Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from redis.asyncio.connection import AbstractConnection

    from bearerd._native.replies import Meter
    from bearerd.config import model

Argument = bytes | str | int
_LOGIN: Final = "see user, password and database of store.url or store.url_file: a new one takes a restart"
_CLUSTER: Final = ": another node of its cluster has the fleet's keys (redis+cluster:// in store.url finds it)"
_IN_SCRIPT: Final = ("ACL failure in script", "The user executing the script")  # Valkey and Redis 7; Redis 6
_IDLE: Final = 8  # connections kept for writers
_ELSEWHERE: Final = (ReadOnlyError, ClusterDownError, AskError)  # this server is not, or no longer, the one to write to


class Link:
    """One connection.  It never reconnects: what was true of its server was true of this connection only."""

    def __init__(
        self, connection: AbstractConnection, meter: Meter, timeout: float, owner: asyncio.Task[Any] | None = None
    ) -> None:
        """``owner``: the task that it is for; others may ask on it, too."""
        self._connection = connection
        self._meter = meter
        self._owner = owner
        self._timeout = timeout  # seconds for one exchange
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = ""

    @property
    def usable(self) -> bool:
        """Open, and no exchange failed on it."""
        return not self._closed

    @property
    def busy(self) -> bool:
        """An exchange is under way (its caller may have gone)."""
        return bool(self._tasks)

    async def call(self, *command: Argument, blocks: float = 0.0, most: int = MOST) -> Any:
        """One command.  ``blocks``: seconds that the server may take beyond the time-out (WAIT, XREAD BLOCK).

        ``most``: bytes of the reply.  Raises StoreError; also when the outcome is unknown.
        """
        return await self._ask(command, most, blocks)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, most: int = MOST) -> Any:
        """One script by its digest; sent whole where the server does not know it (restarted, failed over, flushed)."""
        try:
            return await self._ask(("EVALSHA", script.sha, len(keys), *keys, *args), most)
        except NoScriptError:
            return await self._ask(("EVAL", script.text, len(keys), *keys, *args), most)

    async def _ask(self, command: tuple[Argument, ...], most: int, blocks: float = 0.0) -> Any:
        exchange = self._exchange(command, most, self._timeout + blocks)
        return await (exchange if asyncio.current_task() is self._owner else self._shielded(exchange))

    async def _shielded(self, exchange: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.create_task(exchange)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if task.cancelled() and me is not None and not me.cancelling():
                raise StoreError("the connection was closed") from None  # not the caller was cancelled: the link was
            raise

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone; nobody else will ask

    async def _exchange(self, command: tuple[Argument, ...], most: int, seconds: float) -> Any:
        async with self._lock:
            if self._closed:
                raise StoreError(f"the connection is closed: {self._closed}")
            reason = "cancelled"
            self._meter.begin(most)
            try:
                async with asyncio.timeout(seconds):
                    await self._connection.send_command(*command, check_health=False)
                    reply = await self._connection.read_response()
                reason = ""
                return reply
            except NoScriptError:
                reason = ""
                raise
            except _ELSEWHERE as error:
                reason = f"not the server to write to ({type(error).__name__})"
                raise StoreError(reason + (_CLUSTER if isinstance(error, AskError) else "")) from None
            except ResponseError as error:
                reason = ""  # the server answered this command: the connection is in step
                raise _answered(error) from None
            except TimeoutError:
                reason = f"no answer within {seconds:g} s"
                raise StoreError(f"the store gave {reason}") from None
            except (RedisError, OSError) as error:
                reason = _named(error)
                raise _lost(error) from None
            finally:
                if reason or self._closed:
                    await self._close(reason)

    async def _close(self, reason: str) -> None:
        self._closed = self._closed or reason
        with contextlib.suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)

    async def stale(self) -> bool:
        """Whether anything has happened on the idle connection: it was closed, or speaks unasked."""
        try:
            return not self.usable or self.busy or bool(await self._connection.can_read())
        except (RedisError, OSError):
            return True

    def retire(self) -> None:
        """Take no more commands; an exchange under way ends first, and its connection closes behind it."""
        self._closed = self._closed or "retired"

    async def close(self) -> None:
        """Close; an exchange under way fails."""
        self._closed = self._closed or "closed"
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close("closed")


def _lost(error: Exception) -> StoreError:
    """Why a connection is given up."""
    if isinstance(error, Unbounded):
        return StoreError(f"the store answered what it must not: {error}")
    return StoreError(f"the store is unreachable: {_named(error)}")


def _named(error: Exception) -> str:
    """By its type, and its words if it has any: a time-out has none."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _answered(error: ResponseError) -> StoreError:
    """A server's error in words for whoever is on call."""
    text = str(error)
    if isinstance(error, NoPermissionError) or text.startswith(_IN_SCRIPT):
        return StoreRight(f"the store user lacks a right: {text} (docs/store.md lists them)")
    if isinstance(error, OutOfMemoryError):
        return StoreError("the store is out of memory (maxmemory): it takes neither revocations nor heartbeats")
    if text.startswith("FOREIGN "):
        remedy = "give all of the fleet the same store.fleet_key_file, or this one another store.fleet"
        return StoreError(f"the store answered: {text.removeprefix('FOREIGN ')} ({remedy})")
    return StoreError(f"the store answered: {text}")


class Client:
    """The way to one fleet's store."""

    def __init__(self, where: address.Address, names: Names, key: seal.Seal, timeout: float) -> None:
        self.where = where
        self.names = names
        self.seal = key
        self.timeout = timeout  # seconds after which a store that does not answer counts as gone
        self._idle: list[Link] = []
        self._links: set[Link] = set()

    async def link(self) -> Link:
        """A new connection of one's own (of the task that asks for it), open and logged in.  Raises StoreError."""
        return await self._connected(asyncio.current_task())

    async def _connected(self, owner: asyncio.Task[Any] | None) -> Link:
        connection, meter = await self.where.connection(self.names.prefix, self.timeout)
        try:
            async with asyncio.timeout(2 * self.timeout):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException as error:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)
            if isinstance(error, ResponseError | AuthenticationError):
                # Not in its words: a server that has no AUTH quotes its arguments.
                raise StoreError(f"the store refused the login: {type(error).__name__} ({_LOGIN})") from None
            if isinstance(error, RedisError | OSError | TimeoutError):
                raise _lost(error) from None
            raise
        link = Link(connection, meter, self.timeout, owner)
        self._links = {other for other in self._links if other.usable} | {link}
        return link

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Link]:
        """A connection for one piece of work: commands on it follow one another on the same connection (WAIT, WAITAOF)."""
        link = await self._take()
        try:
            yield link
        finally:
            # One with an exchange still under way belongs to a caller that was cancelled: it is not handed on.
            if link.usable and not link.busy and len(self._idle) < _IDLE:
                self._idle.append(link)
            elif link.busy:
                link.retire()
            else:
                await link.close()

    async def _take(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if not await link.stale():
                return link
            await link.close()
        return await self._connected(None)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, most: int = MOST) -> Any:
        """One script, on any connection.  Raises StoreError."""
        async with self.borrow() as link:
            return await link.run(script, keys, args, most=most)

    async def call(self, *command: Argument, most: int = MOST) -> Any:
        """One command, on any connection.  Raises StoreError."""
        async with self.borrow() as link:
            return await link.call(*command, most=most)

    async def renew(self) -> None:
        """Close the idle connections: the server that takes writes may be another now."""
        links, self._idle = self._idle, []
        await asyncio.gather(*(link.close() for link in links))

    async def close(self) -> None:
        """Close every connection that was made here."""
        links, self._links, self._idle = self._links, set(), []
        await asyncio.gather(*(link.close() for link in links))


def connect(store: model.Store, *, url: str | None = None, timeout: float | None = None) -> Client:
    """A client for ``[store]``; connects when first used.

    ``url`` stands in where the configuration has none (the embedded store's).  ``timeout`` (seconds) is by default a
    tenth of ``max_staleness``, between 0.5 and 2.  Raises ConfigError.
    """
    where = store.url or url
    if not where:
        raise ConfigError("config", [("store.url", "is not given", "start the embedded store first")])
    fleet = Names(store.fleet or DEFAULT_FLEET)
    seconds = min(2.0, max(0.5, store.max_staleness / 10)) if timeout is None else timeout
    return Client(address.parse(where, store.ca_file), fleet, seal.of_fleet(store), seconds)
