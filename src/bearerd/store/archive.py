"""The snapshot's life: a view begins with it, and it is kept up to date beside the work.

Every process of a data_dir would write it; the one that comes first does.  Each looks every few seconds, under a lock that is
held for no longer than that, whether the file is older than what it knows itself, by enough: news are written after seconds,
a mere later heartbeat after a minute, and in no case more than a megabyte a second on average.  So whoever dies, or is
stopped, is stood in for by any other, and of twenty workers one writes.

The loop pages through the table, a fraction of a millisecond at a time; digests and the disk are a thread's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import struct
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from bearerd._native import clock
from bearerd._native.revocations import ENTRY_SIZE, Full
from bearerd.store import seal, snapshot
from bearerd.store.names import DEFAULT_FLEET
from bearerd.store.snapshot import Head, Reason, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bearerd.config import model
    from bearerd.store.seal import Seal
    from bearerd.store.view import View

LOOK: Final = 5.0  # seconds between two looks at whether to write
QUIET: Final = 60.0  # seconds after which a file is renewed though nothing new was revoked: it would only look older
RATE: Final = 1 << 20  # bytes a second, on average
SPARE: Final = 65_536  # entries that a file may hold above the capacity: some ended, others came, while it was written
PATIENCE: Final = 3.0  # seconds to wait, at the end, for another who writes
_SLOTS: Final = 1_000  # of the table, looked at before others get the loop
_log = logging.getLogger("bearerd.store")


class Archive:
    """One a process.  ``load`` before the first heartbeat, ``run`` beside the others, ``close`` at a clean end."""

    def __init__(
        self,
        view: View,
        folder: Path,
        by: Seal,
        fleet: str,
        *,
        available_for: float,
        told: Callable[[str, str], None] = lambda what, which: None,
    ) -> None:
        """``available_for`` (seconds): an older snapshot is not used.  ``told(what, which)``: ("refused", reason) of one that
        was there at the start, ("writes", "ok" | "failed").
        """
        self._view = view
        self._folder = folder
        self.seal: Final = by
        self._fleet = fleet
        self._available_for = available_for
        self._told = told
        self._most = view.capacity + SPARE
        self._loaded = False
        self._writing: asyncio.Task[bool] | None = None
        self.refused: Reason | None = (
            None  # why the one that was there at the start is not used; until there is a good one
        )
        self._bad: Head | None = None  # its head, which may be good where the rest is not: it is known again by it
        self.failing = False  # the last attempt to write failed
        self.stamp = (
            0.0  # wall time (seconds) of the heartbeat that the file is as of; 0: there is none, or it is no good
        )

    @classmethod
    def of(cls, store: model.Store, view: View, folder: Path, told: Callable[[str, str], None]) -> Self:
        """As ``[store]`` has it.  Raises ConfigError where a key cannot be read."""
        fleet = store.fleet or DEFAULT_FLEET
        return cls(view, folder, seal.of_data_dir(store), fleet, available_for=store.available_for, told=told)

    # ---- the start

    async def load(self) -> bool:
        """Begin with the snapshot, if there is a good one; whether there was.  Raises nothing for what a file is."""
        if self._loaded or math.isfinite(self._view.counted):
            return False
        self._loaded = True
        try:
            found = await asyncio.to_thread(snapshot.load, self._folder, self.seal, self._fleet, self._most)
            if found is None:
                return False
            await self._use(*found)
        except Refused as error:
            self.refused, self._bad = error.reason, error.head
            self._told("refused", error.reason)
            _log.error("the snapshot is refused", extra={"reason": error.reason, "detail": str(error)})
            return False
        return True

    async def _use(self, head: Head, entries: bytes) -> None:
        """Apply it whole; only then does it count for anything."""
        age = head.age(self._view.time.now())
        if not age <= self._available_for:
            detail = f"it is {age:.0f} s old, and available_for is {self._available_for:.0f} s"
            raise Refused(Reason.TOO_OLD, detail, head)
        try:
            await self._view.apply(entries, head.position)
        except Full:  # what was applied is true, and refuses; no age says that it is all
            raise Refused(Reason.TOO_LARGE, "more than limits.max_revocations allows to load", head) from None
        now = self._view.time.now()
        self._view.inherit(*head.since(now))
        self.stamp = head.wall
        _log.info(
            "began with the snapshot",
            extra={"revocations": len(self._view.table), "age": round(age, 1), "position": head.position is not None},
        )

    # ---- beside the work

    async def run(self) -> None:
        """Write for ever, when it is due."""
        while True:
            await asyncio.sleep(LOOK * random.uniform(0.7, 1.3))  # noqa: S311 - so that workers take turns
            await self.write()

    async def close(self) -> None:
        """Write what is new, at the end of the process."""
        deadline = clock.boot() + PATIENCE
        while not await self.write(last=True) and not self.failing and clock.boot() < deadline:  # noqa: ASYNC110 - of others
            await asyncio.sleep(PATIENCE / 50)

    async def write(self, *, last: bool = False) -> bool:
        """Write if it is due (``last``: if there is anything new); False where another is just at it, or it failed.

        Cancelled, it leaves the work to its end: a file is not let go of half-way.
        """
        if self._writing is not None:
            await asyncio.wait((self._writing,))
        self._writing = asyncio.get_running_loop().create_task(self._write(last=last))
        return await asyncio.shield(self._writing)

    async def _write(self, *, last: bool) -> bool:
        try:
            with snapshot.turn(self._folder) as ours:
                if ours and self._due(await asyncio.to_thread(self._peek), last=last):
                    await self._save()
        except (OSError, struct.error) as error:
            if not self.failing:
                why = error.strerror if isinstance(error, OSError) else "what the store says of itself does not fit"
                _log.error("the snapshot cannot be written", extra={"detail": why})
            self.failing = True
            self._told("writes", "failed")
            return False
        return ours

    def _peek(self) -> tuple[Head, float] | None:
        """What is there and how old it is, if it is any good."""
        found = None
        with contextlib.suppress(Refused):
            head = snapshot.peek(self._folder, self.seal, self._fleet)
            if head is not None and head != self._bad:
                found = head, head.age(self._view.time.now())
        self.stamp = found[0].wall if found else 0.0
        if found:
            self.refused = None
        return found

    def _due(self, there: tuple[Head, float] | None, *, last: bool) -> bool:
        """Whether to write, over what is there.

        A view that was never counted knows nothing of its own.  One that has no position is putting something back: what it
        knows is worth keeping only at the end, and then without a position.
        """
        view = self._view
        if not math.isfinite(view.counted) or (view.position is None and not last):
            return False
        if there is None:
            return True
        head, age = there
        newer = age - view.age(view.time.now())  # seconds
        if head.position == view.position:
            return newer >= (LOOK if last else QUIET)
        return newer > 0 if last else newer >= max(LOOK, head.entries * ENTRY_SIZE / RATE)

    async def _save(self) -> None:
        """Page through the table, and write.

        Whatever the store held up to ``position``, and when the last counted heartbeat was sent, is in the table now.  An
        entry that is dropped while we page was covered by a later one of its key, and entries of one key stand on one page.
        """
        view = self._view
        now, position = view.time.now(), view.position
        age = view.age(now)
        pieces: deque[bytes] = deque()
        place = 0
        while place or not pieces:
            piece, place = view.table.page(0, place, _SLOTS)  # at time 0: what has ended is the reader's to judge
            pieces.append(piece)
            await asyncio.sleep(0)
        if view.position is None:
            position = None  # lost meanwhile
        entries = sum(map(len, pieces)) // ENTRY_SIZE
        times = now.earliest - age, now.boot - age, snapshot.boot_id()

        def put() -> float:
            head = Head(self._fleet, position, *times, entries, snapshot.digest(pieces))
            # Each is let go of once it is written: to free all at once is a pause.
            snapshot.save(self._folder, self.seal, head, (pieces.popleft() for _ in range(len(pieces))))
            return head.wall

        self.stamp = await asyncio.to_thread(put)
        self.refused, self.failing = None, False
        self._told("writes", "ok")
