"""Accepting connections from sockets that are not ours to close.

asyncio's own servers close the socket that they accept from and know no upper bound.  Here a door is opened and shut again
by watching the socket or not: what arrives meanwhile waits in the kernel for whoever opens next.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
from typing import TYPE_CHECKING, Final

from bearerd.serve.listeners import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection, Mapping

    from bearerd.serve.handshakes import Handshakes

ACCEPT_AT_ONCE: Final = 64  # connections taken from one socket before others get the loop
FULL_SECONDS: Final = 0.05  # between two looks whether there is room again
ROOM_SECONDS: Final = 1.0  # between two looks at who could make room: each looks at all connections
STARVED_SECONDS: Final = 1.0  # after the kernel had no file or memory left

_STARVED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOGGER: Final = logging.getLogger("bearerd.doors")


class Doors:
    """The sockets that one process accepts from, and no more than ``most`` connections at once."""

    def __init__(
        self,
        factory: Callable[..., asyncio.BaseProtocol],
        count: Callable[[], int],
        most: int,
        handshakes: Handshakes | None = None,
        dialects: Mapping[socket.socket, str] | None = None,
        make_room: Callable[[], object] | None = None,
    ) -> None:
        """``factory`` makes the protocol of a connection; ``count`` tells how many there are.

        ``make_room``: what to do, now and then, where there are too many for who waits.
        ``dialects``: what the listeners that fix one fix; ``factory`` is told.
        """
        self._factory = factory
        self._dialects = dialects or {}
        self._count = count
        self._most = most
        self._handshakes = handshakes
        self.coming = 0  # accepted, not yet made: with TLS, for as long as a handshake takes
        self._open: set[socket.socket] = set()
        self._watched: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._was_full = False
        self._make_room = make_room
        self._next_room = 0.0  # by the loop's clock

    def open(self, sockets: Collection[socket.socket]) -> None:
        """Accept from exactly these, and from none that was open before and is not among them."""
        wanted = set(sockets)
        for sock in self._open - wanted:
            self._unwatch(sock)
        for sock in wanted - self._open:
            sock.listen(BACKLOG)
        self._open = wanted
        self._watch()

    def shut(self) -> None:
        """Accept nothing more."""
        self.open(())

    async def shut_for_good(self, patience: float) -> None:
        """Take what has already arrived, then accept nothing more: nobody will open after us.

        ``patience``: seconds for those who are slow to finish their handshake.
        """
        for sock in list(self._watched):
            self._accept(sock, BACKLOG)
        self.shut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)

    async def turn_away(self) -> None:
        """Whoever is still at its handshake."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if self._retry is None:
            for sock in self._open - self._watched:
                loop.add_reader(sock, self._accept, sock)
                self._watched.add(sock)

    def _unwatch(self, sock: socket.socket) -> None:
        if sock in self._watched:
            self._watched.discard(sock)
            asyncio.get_running_loop().remove_reader(sock)

    def _accept(self, sock: socket.socket, at_once: int = ACCEPT_AT_ONCE) -> None:
        for taken in range(at_once):
            if self._count() + self.coming >= self._most:
                self._rest(FULL_SECONDS, "max_connections reached: further ones wait in the kernel")
                if not taken:  # else the last who came has found room, and nobody may wait behind him
                    self._ask_for_room()
                return
            try:
                connection, _ = sock.accept()
            except BlockingIOError:
                self._was_full = False
                return
            except OSError as error:
                if error.errno in _STARVED:
                    self._rest(STARVED_SECONDS, "the kernel has no room for another connection")
                    return
                continue  # that connection is gone again; there may be others
            self._welcome(connection, self._dialects.get(sock))

    def _welcome(self, connection: socket.socket, dialect: str | None) -> None:
        connection.setblocking(False)
        self.coming += 1
        factory = self._factory if dialect is None else functools.partial(self._factory, dialect)
        task = asyncio.get_running_loop().create_task(self._connect(connection, factory))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        secure, made = self._handshakes, False
        try:
            if secure is not None and secure.wanted(connection):
                await secure.make(factory, connection)
            else:
                await asyncio.get_running_loop().connect_accepted_socket(factory, connection)
            made = True
        except OSError:
            pass  # it is gone again, or it does not come to terms
        finally:
            self.coming -= 1
            if not made:
                connection.close()

    def _rest(self, seconds: float, why: str) -> None:
        """Watch nothing for a while."""
        if not self._was_full:
            self._was_full = True
            _LOGGER.warning(why, extra={"connections": self._count()})
        for sock in list(self._watched):
            self._unwatch(sock)
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(seconds, self._again)

    def _ask_for_room(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._make_room is not None and now >= self._next_room:
            self._next_room = now + ROOM_SECONDS
            self._make_room()

    def _again(self) -> None:
        self._retry = None
        self._watch()
