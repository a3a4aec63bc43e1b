"""Counters, gauges and histograms in a page of shared memory: written by one worker, read by the supervisor."""

from collections.abc import Sequence
from typing import Final, Self, final

from typing_extensions import Buffer

COUNTER: Final = 1
GAUGE: Final = 2
HISTOGRAM: Final = 3

@final
class Page:
    """A writer over a writable buffer (an mmap).  Series are appended; a cell is a 64-bit float at a fixed offset.

    A page that already has series keeps them and their values: a worker that takes over a slot goes on counting.  Raises
    ValueError for a buffer that is too small or not aligned to 8 bytes.
    """

    def __new__(cls, buffer: Buffer) -> Self: ...
    def series(self, key: bytes, kind: int, bounds: Sequence[float] = ()) -> int:
        """The cell of a series, created at zero when new (``key`` is opaque).  Raises MemoryError when the page is full.

        A histogram has ``len(bounds) + 1`` bucket cells (not cumulative), then its sum.  Its bounds are finite and grow;
        a value counts in the first bucket whose bound is not less.  Raises ValueError for other bounds, another kind, or
        when the key has another kind or other bounds already.
        """

    def add(self, cell: int, amount: float = 1.0) -> None:
        """Add to a counter or gauge.  Raises IndexError for a cell that ``series`` never gave."""

    def set(self, cell: int, value: float) -> None:
        """Set a counter or gauge."""

    def observe(self, cell: int, value: float) -> None:
        """Count a value in a histogram.  A NaN is not counted."""

def read(buffer: Buffer) -> list[tuple[bytes, int, tuple[float, ...], tuple[float, ...]]]:
    """All series of a page: (key, kind, bounds, values).  Never raises on a page that a killed writer left."""
