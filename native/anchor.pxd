cimport cython

cdef struct Time:  # seconds; docs in anchor.pyi
    double wall
    double boot
    double behind
    double ahead


@cython.final
cdef class Anchor:
    cdef public double latest
    cdef public double earliest

    # Both clocks, read once.
    cdef void look(self, Time* now) noexcept nogil
    # `behind` and `ahead` for what `now` says of the clocks.
    cdef void judge(self, Time* now) noexcept nogil
