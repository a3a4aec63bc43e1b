"""What of the audit goes to the store: the heads of sealed segments, and, where it is a sink, the records themselves."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd.audit.chain import Head
from bearerd.errors import StoreError
from bearerd.store import script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from bearerd.store.client import Client

MOST_HEADS: Final = 100_000  # about so many stand in the store
MOST_WAITING: Final = 10_000  # while the store is away; the oldest go, for the newest covers most
BATCH: Final = 200  # records in one script
RETRY_SECONDS: Final = 1.0
STORE_SECONDS: Final = 10.0
_HEADS: Final = 1_000  # in one reply
_RECORDS: Final = 50  # of max_arguments and a little more each, which may be a megabyte
_MOST: Final = 64 << 20  # bytes of such a reply

_LOGGER: Final = logging.getLogger("bearerd.audit")


class Heads:
    """Takes heads at once, and brings them to the store when it can be reached."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._host = socket.gethostname()
        self._waiting: deque[Head] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()
        self._failing = False

    def take(self, head: Head) -> None:
        """One more."""
        self._waiting.append(head)
        self._news.set()

    async def run(self) -> None:
        """Bring them, in their order, again and again."""
        while True:
            await self._news.wait()
            self._news.clear()
            while not await self.bring():  # noqa: ASYNC110 - nobody tells when the store is there again
                await asyncio.sleep(RETRY_SECONDS)

    async def bring(self) -> bool:
        """Once; whether all are there."""
        while self._waiting:
            head = self._waiting[0]
            try:
                await self._note(head)
            except StoreError as error:
                if not self._failing:
                    _LOGGER.warning("heads of audit segments wait for the store", extra={"detail": log.told(error)})
                self._failing = True
                return False
            self._failing = False
            if self._waiting and self._waiting[0] is head:
                self._waiting.popleft()
        return True

    async def _note(self, head: Head) -> None:
        names = self._client.names
        said = (head.process, head.segment, head.first, head.last, head.mac, int(head.final), head.proof)
        await self._client.run(
            script.AUDIT_HEAD, (names.audit_heads, names.audit_state), (*said, self._host, MOST_HEADS)
        )


class StoreSink:
    """The records in a stream.  Its methods are called by a feeder's thread, and done by the loop."""

    name = "store"

    def __init__(self, client: Client, length: int) -> None:
        self._client = client
        self._length = length
        self._loop = asyncio.get_running_loop()

    def write(self, lines: Sequence[bytes]) -> None:
        """In pieces, the first of which may be there twice if the second fails: ``verify`` takes equal lines for one."""
        for at in range(0, len(lines), BATCH):
            done = asyncio.run_coroutine_threadsafe(self._append(lines[at : at + BATCH]), self._loop)
            try:
                done.result(STORE_SECONDS)
            except TimeoutError:
                done.cancel()
                raise

    async def _append(self, lines: Iterable[bytes]) -> None:
        records = [line.rstrip(b"\n") for line in lines]
        await self._client.run(script.AUDIT_RECORDS, (self._client.names.audit_records,), (self._length, *records))

    def sync(self) -> None:
        """As durable as the store makes it."""

    def close(self) -> None:
        """The client is closed by whoever opened it."""


async def noted(client: Client) -> list[tuple[Head, str]]:
    """Every head in the store with the host that it is of, the oldest first.  Raises StoreError."""
    found: list[tuple[Head, str]] = []
    async for fields in _entries(client, client.names.audit_heads, _HEADS):
        try:
            head = Head(
                fields[b"process"].decode(),
                int(fields[b"segment"]),
                int(fields[b"first"]),
                int(fields[b"last"]),
                fields[b"mac"].decode(),
                fields[b"final"] == b"1",
                fields[b"proof"].decode(),
            )
            found.append((head, fields[b"host"].decode()))
        except (KeyError, ValueError):
            raise StoreError("what stands among the heads of the audit is none") from None
    return found


async def records(client: Client) -> list[bytes]:
    """Every record in the store's stream, the oldest first.  Raises StoreError."""
    return [fields.get(b"record", b"") async for fields in _entries(client, client.names.audit_records, _RECORDS)]


async def _entries(client: Client, stream: str, count: int) -> AsyncIterator[dict[bytes, bytes]]:
    after: bytes | str = "0"
    while True:
        reply = await client.call("XREAD", "COUNT", count, "STREAMS", stream, after, most=_MOST)
        if not reply:
            return
        pages = reply.values() if isinstance(reply, dict) else [page for _, page in reply]
        for page in pages:
            for after, fields in _flat(page):  # noqa: B007 - the next page begins behind the last
                yield dict(zip(fields[::2], fields[1::2], strict=True))


def _flat(page: list[Any]) -> list[Any]:
    """RESP3 wraps the entries of a stream once more."""
    return page[0] if len(page) == 1 and page and isinstance(page[0][0], list) else page
