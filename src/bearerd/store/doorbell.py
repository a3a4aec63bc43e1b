"""The doorbell: a stream that says "look now" and nothing else.

It carries no truth: XREAD hides trimmed entries and a flush.  Whoever hears it reads the log; whoever does not reads it at
the next heartbeat.  Whoever looks again and again, because each look brings something, need not be rung for: nobody listens
meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, Final

from bearerd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bearerd.store.client import Client, Link

_BLOCK: Final = 5.0  # seconds that one XREAD waits; then the anchor is looked at again
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 3.0


class Doorbell:
    """Listens on a connection of its own, and calls back where there may be something new."""

    def __init__(self, client: Client, rung: Callable[[], None]) -> None:
        self._client = client
        self._rung = rung
        self._asleep = asyncio.Event()

    @contextlib.contextmanager
    def needed(self) -> Iterator[None]:
        """While somebody rests who is to be woken."""
        self._asleep.set()
        try:
            yield
        finally:
            self._asleep.clear()

    async def run(self) -> None:
        """Listen until cancelled, through any fault of the store."""
        pause = _FIRST_PAUSE
        while True:
            try:
                link = await self._client.link()
                try:
                    async for _ in self._listen(link):
                        pause = _FIRST_PAUSE
                finally:
                    await link.close()
            except StoreError:
                pass  # the heartbeat meets the same fault and reports it
            except Exception:  # noqa: BLE001, S110 - an answer of another shape; the loop must outlive it, and heartbeats go on
                pass
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - jitter
            pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _listen(self, link: Link) -> Any:
        last = await self._anchor(link)
        while True:
            # First look, then listen: what was rung before the anchor was taken is in the log by now.
            self._rung()
            yield
            reply = None
            while not reply:
                await self._asleep.wait()
                reply = await link.call(
                    "XREAD", "BLOCK", int(_BLOCK * 1000), "STREAMS", self._client.names.bell, last, blocks=_BLOCK
                )
                if not reply:  # a flush or a clock set back may have put new rings before our anchor
                    anchor = await self._anchor(link)
                    if _order(anchor) < _order(last):
                        last = anchor
                        break
            if reply:
                last = reply[0][1][-1][0]

    async def _anchor(self, link: Link) -> bytes:
        newest = await link.call("XREVRANGE", self._client.names.bell, "+", "-", "COUNT", 1)
        return bytes(newest[0][0]) if newest else b"0-0"


def _order(ring: bytes) -> tuple[int, int]:
    milliseconds, _, number = ring.partition(b"-")
    return int(milliseconds), int(number)
