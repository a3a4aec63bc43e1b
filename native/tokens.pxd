cimport cython
from libc.stdint cimport uint32_t, uint64_t

from bearerd._native.generations cimport Generations
from bearerd._native.revocations cimport Revocations
from bearerd._native.shelf cimport Shelf

cdef enum Finding:  # as tokens.Found
    MISS
    HIT
    EXPIRED
    REVOKED
    KEYS_CHANGED
    CONFIG_CHANGED

cdef struct Lookup:
    Finding found
    uint32_t index  # with HIT, REVOKED and KEYS_CHANGED: valid until the cache is changed
    const unsigned char* record  # likewise; else NULL
    size_t record_size


@cython.final
cdef class TokenCache:
    cdef readonly uint64_t hits
    cdef readonly uint64_t misses
    cdef Shelf shelf

    # `find` without Python objects.  `digest16` is keyed128 of the token.
    cdef Lookup look_up(
        self, const unsigned char* digest16, size_t length, double wall, double boot,
        Generations generations, Revocations revocations,
    ) noexcept nogil
