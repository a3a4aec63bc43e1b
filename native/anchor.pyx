"""The time, read once: by both clocks, and by how much the wall clock may be wrong, going by all that it has said.

The wall clock and the boot clock run at one rate (the kernel slews both), so their difference stands still except where
somebody sets the wall clock.  The largest and the smallest difference that were ever read say how late and how early it may
be; who may forget them, and when, is not decided here (``bearerd.timekeeper``).
"""

cimport cython
from libc.math cimport INFINITY, isfinite

from bearerd._native.clock cimport boot_now, wall_now


@cython.final
cdef class Anchor:
    """``latest`` and ``earliest``: the largest and the smallest wall minus boot time (seconds) that was read."""

    def __cinit__(self, double latest=-INFINITY, double earliest=INFINITY):
        self.latest = latest
        self.earliest = earliest

    cdef void judge(self, Time* now) noexcept nogil:
        cdef double offset = now.wall - now.boot
        now.behind = now.ahead = 0.0
        if not isfinite(offset):  # a clock that fails, which must not be remembered: no age and no exp stands up to it
            return
        self.latest = max(self.latest, offset)
        self.earliest = min(self.earliest, offset)
        now.behind = self.latest - offset
        now.ahead = offset - self.earliest

    cdef void look(self, Time* now) noexcept nogil:
        # The wall clock first: a pause between the two makes it seem set back, which costs nothing, and never forward,
        # which would make every token older than it is.
        now.wall = wall_now()
        now.boot = boot_now()
        self.judge(now)

    def read(self):
        """(wall, boot, behind, ahead) now, in seconds."""
        cdef Time now
        self.look(&now)
        return now.wall, now.boot, now.behind, now.ahead

    def tell(self, double wall, double boot):
        """The same of clocks that were read elsewhere."""
        cdef Time now
        now.wall = wall
        now.boot = boot
        self.judge(&now)
        return now.wall, now.boot, now.behind, now.ahead
