"""The time, read once: by both clocks, and by how much the wall clock may be wrong, going by all that it has said."""

from typing import Self, final

@final
class Anchor:
    """``latest`` and ``earliest``: the largest and the smallest wall minus boot time (seconds) that was read.

    They only widen here; ``bearerd.timekeeper`` decides when one may be given up.
    """

    latest: float  # -inf: nothing was read yet
    earliest: float  # inf: likewise

    def __new__(cls, latest: float = ..., earliest: float = ...) -> Self: ...
    def read(self) -> tuple[float, float, float, float]:
        """(wall, boot, behind, ahead) now, in seconds.

        ``behind``: by how much the wall clock lies behind the latest time that it has shown, run on by the boot clock;
        ``ahead``: before the earliest, likewise.  Neither is negative.  A clock that fails reads as infinite, and is not
        remembered.
        """

    def tell(self, wall: float, boot: float) -> tuple[float, float, float, float]:
        """The same of clocks that were read elsewhere."""
