"""Reading the log and putting back what it lost: the parts of a heartbeat that take more than one call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd._native.revocations import ENTRY_SIZE, Revocations, unpack
from bearerd.errors import StoreFull
from bearerd.store import lives

if TYPE_CHECKING:
    from bearerd.store.client import Link
    from bearerd.store.protocol import Beat, Log
    from bearerd.store.view import View

_PAGE: Final = 5_000  # members of one reply: a few milliseconds of the server's time
_PUT_BACK: Final = 500  # members of one script


async def catch_up(link: Link, log: Log, view: View, beat: Beat) -> None:
    """Apply what came after a position that the store knows, and take over the position it had then.

    Where the reply did not hold it all, it is paged bucket by bucket.  Entries beyond the position may come with it (read
    again later, held already); none up to it can be missing, since the position was read before the first page.
    """
    if beat.behind and view.position is not None:
        await _pages(link, log, view, view.position.sequence, None)
        view.position = beat.position
        return
    await view.apply(_opened(log, view, beat.members), beat.position)


async def everything(link: Link, log: Log, view: View, now: float) -> bytes:
    """Read the whole store; returns the live entries that the view holds and the store lacks, packed.

    ``now`` is the store's time (seconds): what its buckets could no longer hold is not lacking.
    """
    if not len(view.table):
        await _pages(link, log, view, 0, None)
        return b""
    store = Revocations(view.capacity)
    await _pages(link, log, view, 0, store)
    wall = int(clock.wall())
    own = view.table.export(wall)
    lacking = []
    for number, start in enumerate(range(0, len(own), ENTRY_SIZE)):
        if number % 2048 == 2047:
            await asyncio.sleep(0)
        entry = own[start : start + ENTRY_SIZE]
        if store.apply(entry, wall) and lives.storable_until(unpack(entry)[2]) > now:
            lacking.append(entry)
    return b"".join(lacking)


async def put_back(link: Link, log: Log, view: View, entries: bytes) -> int:
    """Put entries back under their original ``at``; returns how many the store lacked.  Marks an unmarked store.

    Raises StoreFull when they do not fit: the store must not forget what it was made to hold, and this view is not
    caught up until it does not.
    """
    added = 0
    step = _PUT_BACK * ENTRY_SIZE
    for start in range(0, max(1, len(entries)), step):
        part = entries[start : start + step]
        members = b"".join(log.sealed(part[i : i + ENTRY_SIZE]) for i in range(0, len(part), ENTRY_SIZE))
        done = await log.put_back(link, members, view.capacity)
        if done < 0:
            raise StoreFull("the store holds max_revocations and lacks entries that this worker knows")
        added += done
    return added


async def _pages(link: Link, log: Log, view: View, after: int, also: Revocations | None) -> None:
    for bucket in await log.buckets(link):
        last = after
        while True:
            page = await log.page(link, bucket, last, _PAGE)
            await view.apply(_opened(log, view, [member for _, member in page]), also=also)
            if len(page) < _PAGE:
                break
            last = page[-1][0]


def _opened(log: Log, view: View, members: list[bytes]) -> bytes:
    entries, refused = log.opened(members)
    view.refused += refused
    return entries
