cimport cython
from libc.stdint cimport uint32_t, uint64_t


@cython.final
cdef class Generations:
    cdef public uint32_t config
    cdef uint32_t* key_sets  # by the issuer's index; NULL until the first is bumped
    cdef size_t count
    cdef uint64_t bumps  # of all key sets

    # 0 before the first.
    cdef uint32_t of_issuer(self, size_t issuer) noexcept nogil
    # `total` without Python objects.
    cdef uint64_t of_all(self) noexcept nogil
