cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from bearerd._native.entry cimport Entry
from bearerd._native.slots cimport Cursor, Slots

cdef struct Lift:  # the last tombstone for a key
    bint any
    uint64_t at


@cython.final
cdef class Revocations:
    cdef readonly uint64_t sequence
    cdef readonly uint64_t lifts
    cdef Slots slots
    cdef size_t most
    cdef uint64_t latest
    cdef size_t everyone  # entries under EVERY_KEY
    cdef size_t wild  # those of them that are no tombstones
    cdef int64_t clock  # the latest `now`
    cdef int64_t ends  # not after the first expiry of any entry
    cdef int64_t lift_ends  # not after the first expiry of a tombstone
    cdef int64_t lift_ends_beyond  # the same for what the present round of `expire` has passed
    cdef uint64_t round  # the position at which that round goes on

    # Compares times with what the sequence stands for: call it before `sequence` is compared.
    cdef void tell_time(self, int64_t now) noexcept nogil
    # As `revoked`, for `count` keys of 16 bytes.
    cdef Py_ssize_t first_revoked(
        self, const unsigned char* keys, size_t count, int64_t issued_at, int64_t now
    ) noexcept nogil

    cdef void changed(self) noexcept nogil
    cdef bint insert(self, Cursor* where, const Entry* entry) noexcept nogil
    cdef void remove(self, Cursor* where) noexcept nogil
    cdef int put(self, const Entry* entry, list log) except -1
    cdef int drop_idle(self, const Entry* entry, list log) except -1
    cdef int take_back(self, list log) except -1
    cdef void drop_expired(self, int64_t now) noexcept nogil
    cdef void fold_lifts(self, const unsigned char* key, int64_t now, Lift* lift) noexcept nogil
    cdef uint32_t largest(self, const unsigned char* key, int64_t now, const Lift* lift) noexcept nogil
    cdef uint32_t in_force(self, const unsigned char* key, int64_t now, const Lift* reset) noexcept nogil
    cdef Lift last_reset(self, int64_t now) noexcept nogil
