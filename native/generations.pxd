cimport cython
from libc.stdint cimport uint32_t


@cython.final
cdef class Generations:
    cdef public uint32_t config
    cdef uint32_t* key_sets  # by the issuer's index; NULL until the first is bumped
    cdef size_t count

    # 0 before the first.
    cdef uint32_t of_issuer(self, size_t issuer) noexcept nogil
