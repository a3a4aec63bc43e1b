"""Counters, gauges and histograms in a page of shared memory: written by one worker, read by the supervisor."""

from collections.abc import Sequence
from typing import Final, final

from typing_extensions import Buffer

COUNTER: Final = 1
GAUGE: Final = 2
HISTOGRAM: Final = 3

@final
class Page:
    """A writer over a writable buffer (an mmap).  Series are appended; a cell is a 64-bit float at a fixed offset."""

    def __init__(self, buffer: Buffer) -> None: ...
    def series(self, key: bytes, kind: int, bounds: Sequence[float] = ()) -> int:
        """The cell of a series, created at zero when new (``key`` is opaque).  Raises MemoryError when the page is full.

        A histogram has ``len(bounds) + 1`` bucket cells (not cumulative), then its sum.
        """

    def add(self, cell: int, amount: float = 1.0) -> None: ...
    def set(self, cell: int, value: float) -> None: ...
    def observe(self, cell: int, value: float) -> None: ...

def read(buffer: Buffer) -> list[tuple[bytes, int, tuple[float, ...], tuple[float, ...]]]:
    """All series of a page: (key, kind, bounds, values).  Never raises on a page that a killed writer left."""
