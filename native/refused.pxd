cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t

# Of one refused token.
cdef struct Memory:
    unsigned char[16] digest
    unsigned char[32] name  # of the token in logs: SHA-256 of its signing input
    double until_boot
    uint64_t generation
    uint32_t length  # of the token; 0: free
    int32_t value


@cython.final
cdef class RefusedTokens:
    cdef readonly uint64_t hits  # to be counted by who asks `recall`, once for each request
    cdef Memory* sets  # each of WAYS, newest first
    cdef size_t count  # of sets

    cdef Memory* set_of(self, const unsigned char* digest16) noexcept nogil

    # What `find` finds; NULL where it finds nothing.  `digest16` is keyed128 of the token.
    cdef const Memory* recall(
        self, const unsigned char* digest16, size_t length, double boot, uint64_t generation
    ) noexcept nogil
    cdef void remember(
        self, const unsigned char* digest16, size_t length, int32_t value, double until_boot, uint64_t generation,
        const unsigned char* name32,
    ) noexcept nogil
