cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

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
    uint32_t index  # with HIT, REVOKED and KEYS_CHANGED: valid until the cache is changed; else NOBODY


@cython.final
cdef class _Said:  # what was read in the record of a token
    cdef unsigned char[16] digest
    cdef size_t length
    cdef object what


@cython.final
cdef class TokenCache:
    cdef readonly uint64_t hits
    cdef readonly uint64_t misses
    cdef Shelf shelf
    cdef object reads  # (record, key_generation) -> what a caller is given for it; None: the record itself
    cdef list lately  # of _Said or None, by the digest's first byte: what `reads` said of the tokens asked for lately

    # `find` without Python objects, and uncounted.  `digest16` is keyed128 of the token.
    cdef Lookup look_up(
        self, const unsigned char* digest16, size_t length, double wall, double boot,
        Generations generations, Revocations revocations,
    ) noexcept nogil

    cdef int forget(self, const unsigned char* digest16, size_t length) except -1

    # `find` and `put`, for C callers: what the record says, or None, and what was found; and with floor(iat) in 64 bits.
    cdef object seek(
        self, bytes token, double wall, double boot, Generations generations, Revocations revocations, Finding* found
    )
    cdef int keep(
        self, bytes token, bytes record, Py_ssize_t issuer, uint32_t key_generation, uint32_t config_generation,
        int64_t issued_at, double until_wall, double until_boot, bytes probes,
    ) except -1

    # What `reads` says of a token that was found; of one that was asked for lately, the same object again.
    cdef object said(self, const unsigned char* digest16, size_t length, uint32_t index)
    cdef int say(self, _Said said, Py_ssize_t place) except -1
    cdef Py_ssize_t lately_at(self, const unsigned char* digest16)
    # Its record, or how it is judged, is about to change.
    cdef int unsay(self, const unsigned char* digest16) except -1

    # The text prepared for a token that was found (HIT) under a route and a bit of its mask; NULL where none may be given now.
    cdef const unsigned char* prepared(
        self, uint32_t index, uint32_t route, size_t bit, double wall, double boot, size_t* size
    ) noexcept nogil
    # Hangs a text under a known token, good from now (`wall`, `boot`) on; what was prepared for the route with another text
    # goes.
    cdef void prepare(
        self, const unsigned char* digest16, size_t length, uint32_t route, size_t words, size_t bit,
        double until_wall, double until_boot, double wall, double boot, const unsigned char* text, size_t size,
    ) noexcept nogil
