"""Shared memory for the metrics: one page a worker, read at a scrape, and taken over by a successor.

A page is a memfd: no file name, and gone with its last descriptor.  The page of a dead worker is kept and given to the
next one, who goes on counting in it: no counter ever goes back.  Its gauges are hidden meanwhile, for what they measured
is gone.  No page has two writers.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
from typing import Final

from bearerd import metrics
from bearerd._native import counters
from bearerd.metrics import Metrics

OWN: Final = (
    "bearerd_config_last_reload_successful",
    "bearerd_config_last_reload_timestamp_seconds",
)
"""The gauges that the supervisor knows; of all others it must not say 0."""


class Page:
    """One worker's page."""

    def __init__(self, size: int) -> None:
        self.descriptor = os.memfd_create("bearerd-metrics", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, size)
        # A worker that is no longer itself must not be able to cut the memory that the supervisor reads.
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self.memory = mmap.mmap(self.descriptor, size)

    def hide_gauges(self) -> None:
        """Nothing is measured here any more."""
        writer = counters.Page(self.memory)
        for key, kind, _, _ in counters.read(self.memory):
            if kind == counters.GAUGE:
                writer.set(writer.series(key, kind), math.nan)

    def close(self) -> None:
        """Let go; a worker that still runs keeps its own."""
        self.memory.close()
        os.close(self.descriptor)


class Pages:
    """All pages of this bearerd."""

    def __init__(self) -> None:
        self.own: Final = Metrics()
        for row in metrics.TABLE.values():
            if row.kind == counters.GAUGE and not row.labels and row.name not in OWN:
                self.own.hide(row.name)
        self._used: list[Page] = []
        self._left: list[Page] = []  # by workers that are gone

    def new(self, size: int) -> Page:
        """A page of at least ``size`` bytes for a new worker: what a dead one left, where there is such a page."""
        page = self._left.pop() if self._left else Page(size)
        if len(page.memory) < size:  # a reload has brought more series since
            old, page = page, Page(size)
            page.memory[: len(old.memory)] = old.memory[:]
            old.close()
        self._used.append(page)
        return page

    def retire(self, page: Page) -> None:
        """Its worker is gone."""
        if page in self._used:
            self._used.remove(page)
            page.hide_gauges()
            self._left.append(page)

    def render(self) -> bytes:
        """The exposition of all."""
        return metrics.render(self.copies())

    def copies(self) -> list[bytes]:
        """All of them as they are now, for a thread: a page may be closed while it reads."""
        return [bytes(self.own.buffer), *(page.memory[:] for page in (*self._used, *self._left))]

    def close(self) -> None:
        """Let go of all."""
        for pages in (self._used, self._left):
            while pages:
                pages.pop().close()
