"""Asking the same again and again: so many connections, each with its next request as soon as it has its answer.

In Python, as nobody should need a compiler to try this: the client is slower than what it asks, and says how busy it was.
"""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import uvloop

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

GRACE: Final = 2.0  # seconds for the last answers
CONNECT_SECONDS: Final = 5.0
PAUSE: Final = 0.05  # seconds before somebody who was turned away comes again

_HEAD_ENDS: Final = b"\r\n\r\n"
_MOST_HEAD: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_CLOSES: Final = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)


@dataclass
class Tally:
    """What came of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    took: array[float] = field(default_factory=lambda: array("d"))  # seconds, one an answer
    lost: int = 0  # requests without an answer
    turned_away: int = 0  # connections that could not be made
    seconds: float = 0.0
    client_cpu: float = 0.0  # seconds
    trouble: str = ""  # what the last connection that was refused or broken off died of

    @property
    def answered(self) -> int:
        """How many answers there were."""
        return len(self.took)

    def percentiles(self, *shares: float) -> list[float]:
        """Seconds that so large a share of the answers did not exceed."""
        ordered = sorted(self.took)
        return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0 for share in shares]


@dataclass(frozen=True)
class Plan:
    """What is asked, where, by how many, and for how long.  ``seconds`` 0: one request a connection."""

    where: str  # host:port or unix:/path
    request: bytes
    connections: int
    seconds: float
    bodiless: bool = False  # the method is HEAD
    tls: ssl.SSLContext | None = None  # for host:port


def gather(plan: Plan) -> Tally:
    """Carry it out."""
    return uvloop.run(_gather(plan))


async def _gather(plan: Plan) -> Tally:
    tally, started, used = Tally(), time.monotonic(), time.process_time()
    deadline = started + plan.seconds
    everybody = [asyncio.create_task(_come_and_go(plan, tally, deadline)) for _ in range(plan.connections)]
    await asyncio.wait(everybody)
    for each in everybody:
        each.result()
    tally.seconds, tally.client_cpu = time.monotonic() - started, time.process_time() - used
    return tally


async def _come_and_go(plan: Plan, tally: Tally, deadline: float) -> None:
    """One connection, and others after it where the server closes them."""
    while True:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                asker = await _connect(plan, lambda: _Asker(plan, tally, deadline))
        except OSError as error:  # TimeoutError is one
            tally.turned_away += 1
            tally.trouble = str(error)
            await asyncio.sleep(PAUSE)
        else:
            done, _ = await asyncio.wait((asker.gone,), timeout=max(0.0, deadline - time.monotonic()) + GRACE)
            if not done:
                asker.give_up()
        if time.monotonic() >= deadline:
            return


async def _connect(plan: Plan, factory: Callable[[], _Asker]) -> _Asker:
    loop = asyncio.get_running_loop()
    connecting: Awaitable[tuple[asyncio.BaseTransport, _Asker]]
    if plan.where.startswith("unix:"):
        connecting = loop.create_unix_connection(factory, plan.where.removeprefix("unix:"))
    else:
        host, _, port = plan.where.rpartition(":")
        connecting = loop.create_connection(factory, host.strip("[]"), int(port), ssl=plan.tls)
    return (await connecting)[1]


class _Asker(asyncio.Protocol):
    """One connection.  It asks as soon as it is made."""

    def __init__(self, plan: Plan, tally: Tally, deadline: float) -> None:
        self._plan = plan
        self._tally = tally
        self._deadline = deadline
        self._held = b""
        self._since: float | None = None  # the request that is under way
        self._transport: asyncio.Transport | None = None
        self.gone: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's has no base class
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, ends, rest = self._held.partition(_HEAD_ENDS)
        status = _STATUS.match(head)
        if not ends and len(head) <= _MOST_HEAD:
            return
        if status is None or not ends:
            self.give_up()
            return
        length = _LENGTH.search(head)
        if not self._plan.bodiless and length is not None and len(rest) < int(length[1]):
            return
        self._answered(int(status[1]), closes=_CLOSES.search(head) is not None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._since is not None:
            self._tally.lost += 1
            self._tally.trouble = str(error or "")
        if not self.gone.done():
            self.gone.set_result(None)

    def give_up(self) -> None:
        """No answer will come, or none that we understand."""
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        self._since = time.monotonic()
        if self._transport is not None:
            self._transport.write(self._plan.request)

    def _answered(self, status: int, *, closes: bool) -> None:
        now, since = time.monotonic(), self._since
        self._since, self._held = None, b""
        if since is not None:
            self._tally.took.append(now - since)
            self._tally.statuses[status] += 1
        if not closes and now < self._deadline:
            self._ask()
        elif self._transport is not None:
            self._transport.close()
