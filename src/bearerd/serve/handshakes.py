"""TLS on the connections of one process: by which papers it greets whoever comes, and what becomes of it.

The papers change between two handshakes, never within one: a connection keeps those with which it began.

A handshake costs as much as dozens of answers.  The loop would take each step as soon as its bytes arrive, of a crowd all in one
turn; so they are taken here, and the loop is given connections of which the handshake is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

from bearerd._native import clock
from bearerd.config import papers as module
from bearerd.serve.records import RECORDS, Records, Shaken
from bearerd.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.config.papers import Papers
    from bearerd.metrics import Metrics

HANDSHAKE_SECONDS: Final = 10.0  # as long as a request's head may take
GOODBYE_SECONDS: Final = 5.0  # for the last answer to go out, and for the other end to say that it is over
MOST_READ: Final = 16 * 1024  # bytes of a step
MOST_FIRST: Final = 8  # steps that go before others' first; who needs more sends it in crumbs
MOST_UNSENT: Final = 64 * 1024  # bytes, as on a plain connection: left to itself, TLS takes eight times as many

_REASONS: Final = {
    "HTTP_REQUEST": "plain_http",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no_certificate",
    "UNSUPPORTED_PROTOCOL": "version",
}


class Handshakes:
    """See the module.  Without papers every connection is a plain one; unix sockets always are."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._context: ssl.SSLContext | None = None
        self._shaken = Shaken()
        self._turns = Turns()

    def take(self, papers: Papers | None) -> None:
        """For every connection from now on.  Raises ssl.SSLError, and goes on as before."""
        context = None if papers is None else module.context(papers)
        if context is not None:
            context.sslobject_class = Records
        self._context = context

    def wanted(self, connection: socket.socket) -> bool:
        """Whether this one is to be made by a handshake."""
        return self._context is not None and connection.family != socket.AF_UNIX

    async def make(self, factory: Callable[[], asyncio.BaseProtocol], connection: socket.socket) -> None:
        """Make the connection, and count what has become of it.  Raises OSError where there is none."""
        assert self._context is not None  # noqa: S101 - ``wanted``
        arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        records = cast("Records", self._context.wrap_bio(arrived, leaving, server_side=True))
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._shake(connection, records, arrived, leaving)
            module.look_again(records, clock.wall())
            await self._hand_over(factory, connection, records)
        except OSError as error:
            self._count(result(error))
            raise
        self._count("ok")

    async def _shake(
        self, connection: socket.socket, records: Records, arrived: ssl.MemoryBIO, leaving: ssl.MemoryBIO
    ) -> None:
        """Each step in its turn.  Those that follow upon another go first: else none of a great crowd would come to its end."""
        loop = asyncio.get_running_loop()
        for number in itertools.count():
            said = await loop.sock_recv(connection, MOST_READ)
            if not said:
                raise ConnectionResetError
            await self._turns.turn(first=0 < number < MOST_FIRST)
            arrived.write(said)
            if await self._step(connection, records, leaving):
                return

    async def _step(self, connection: socket.socket, records: Records, leaving: ssl.MemoryBIO) -> bool:
        """Whether it was the last.  Raises OSError where there is no other."""
        try:
            records.do_handshake()
            over = True
        except ssl.SSLWantReadError:
            over = False
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                connection.send(leaving.read())  # why: as much as there is room for
            raise
        if leaving.pending:
            await asyncio.get_running_loop().sock_sendall(connection, leaving.read())
        return over

    async def _hand_over(
        self, factory: Callable[[], asyncio.BaseProtocol], connection: socket.socket, records: Records
    ) -> None:
        RECORDS.set([records])
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
            factory,
            connection,
            ssl=self._shaken,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )
        if not transport.is_closing():
            transport.set_write_buffer_limits(high=MOST_UNSENT)

    def _count(self, how: str) -> None:
        self._metrics.inc("bearerd_tls_handshakes_total", how)


def result(error: OSError) -> str:
    """Why a handshake failed (``series.HANDSHAKES``)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""
        return "refused" if "_ALERT_" in reason else _REASONS.get(reason, "failed")
    # What we give up has no number of the kernel's.
    return "timeout" if isinstance(error, TimeoutError) and error.errno is None else "hung_up"
