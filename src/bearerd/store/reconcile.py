"""Reading the log and putting back what it lost: the parts of a heartbeat that take more than one call."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bearerd._native.revocations import ENTRY_SIZE, Revocations, unpack
from bearerd.errors import StoreFull
from bearerd.store import lives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bearerd.store.client import Link
    from bearerd.store.protocol import Beat, Log
    from bearerd.store.view import View

_PAGE: Final = 1_000  # members of one reply: a millisecond or two of everybody's time
_SLOTS: Final = 1_000  # slots of the table looked at before others get the loop: no more members in one put-back
_LOGGER: Final = logging.getLogger("bearerd.store")


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


async def everything(link: Link, log: Log, view: View, now: float) -> list[bytes]:
    """Read the whole store; returns the live entries that the view holds and the store lacks, packed, in pieces.

    ``now`` is the store's time (seconds): what its buckets could no longer hold is not lacking.
    """
    if not len(view.table):
        await _pages(link, log, view, 0, None)
        return []
    store = Revocations(view.capacity)
    await _pages(link, log, view, 0, store)
    wall, place = view.time.forgetting(), 0
    lacking: list[bytes] = []  # not one object an entry: to free a million of them is a pause
    while True:
        own, place = view.table.page(wall, place, _SLOTS)
        new = (entry for entry in _entries(own) if store.apply(entry, wall))
        lacking.append(b"".join(entry for entry in new if lives.storable_until(unpack(entry)[2]) > now))
        if place == 0:
            return [piece for piece in lacking if piece]
        await asyncio.sleep(0)


async def again(link: Link, log: Log, view: View) -> None:
    """Read the whole store once more: what was left out or dropped while the wall clock was ahead is needed yet."""
    since = view.time.now().earliest
    await _pages(link, log, view, 0, None)
    view.time.remembered(since)


async def put_back(link: Link, log: Log, view: View, pieces: list[bytes]) -> int:
    """Put entries back under their original ``at``; returns how many the store lacked.  Marks an unmarked store.

    Several workers do this at the same time, each in an order of its own: once the others are quicker it stops, and the
    caller finds out what is lacking still.  Raises StoreFull when they do not fit: the store must not forget what it was made
    to hold, and this view is not caught up until it does not.
    """
    added = 0
    for piece in pieces or [b""]:
        members = [log.sealed(entry) for entry in _entries(piece)]
        done = await log.put_back(link, b"".join(members), view.capacity)
        if done < 0:
            raise StoreFull("the store holds max_revocations and lacks entries that this worker knows")
        added += done
        if done < len(members) / 2:
            break
    return added


def _entries(packed: bytes) -> Iterator[bytes]:
    return (packed[start : start + ENTRY_SIZE] for start in range(0, len(packed), ENTRY_SIZE))


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
    if refused and not view.refused:  # once a process: the count goes on in the metrics
        _LOGGER.error("entries of the store that are not from the fleet count for nothing", extra={"entries": refused})
    view.refused += refused
    return entries
