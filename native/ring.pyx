"""A ring of fixed size for what is noted of decisions that no Python saw, and the bucket that says which get a line.

A decision costs a note at the most; lines are made of notes later, when there is time, and no more of them than the bucket
lets through.  Refusals stay to be looked up by request id until the ring has come round.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from bearerd._native.clock cimport boot_now
from bearerd._native.digest cimport siphash128_into

import os

cdef const char* HEX = b"0123456789abcdef"


Noted = tuple[float, float, int, int, int, int, bytes, bytes, bytes, bytes, bytes, bytes, int, bytes, bool, bool]


cdef void name(
    Note* note, const unsigned char* method, size_t method_size, const unsigned char* peer, size_t peer_size
) noexcept nogil:
    """Who asked, and by which method."""
    note.method_size = <uint8_t>min(method_size, <size_t>METHOD)
    note.peer_size = <uint8_t>min(peer_size, <size_t>PEER)
    if note.method_size:
        memcpy(note.method, method, note.method_size)
    memcpy(note.peer, peer, note.peer_size)


cdef void write_hex(const unsigned char* id16, unsigned char* digits) noexcept nogil:
    """A request id as its 32 digits."""
    cdef size_t i
    for i in range(<size_t>ID):
        digits[2 * i] = <unsigned char>HEX[id16[i] >> 4]
        digits[2 * i + 1] = <unsigned char>HEX[id16[i] & 15]


@cython.final
cdef class Burst:
    """A bucket of ``rate`` lines a second, and no more than a second's worth at once."""

    def __cinit__(self, double rate):
        self.rate = rate
        self.left = rate
        self.at = boot_now()

    cdef bint take_at(self, double boot) noexcept nogil:
        if boot > self.at:  # also false for a clock that fails
            self.left = min(self.rate, self.left + (boot - self.at) * self.rate)
            self.at = boot
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True

    def take(self):
        """Whether one more line may be written now."""
        return self.take_at(boot_now())


@cython.final
cdef class Ring:
    """The last ``most`` notes."""

    def __cinit__(self, Py_ssize_t most):
        if not 1 <= most <= 1 << 24:
            raise ValueError(f"a ring has 1 to {1 << 24} notes")
        self.most = <size_t>most
        self.notes = <Note*>calloc(self.most, sizeof(Note))
        if self.notes == NULL:
            raise MemoryError
        memcpy(self.id_key, PyBytes_AS_STRING(os.urandom(16)), 16)

    def __dealloc__(self):
        free(self.notes)

    def __len__(self):
        return <Py_ssize_t>min(self.count, <uint64_t>self.most)

    cdef bint has_room(self) noexcept nogil:
        return self.count - self.drained < self.most or not self.notes[self.drained % self.most].kept

    cdef bint is_half_full(self) noexcept nogil:
        """Said once, as it comes to be so."""
        return self.count - self.drained == self.most >> 1

    cdef bint makes_room(self) except -1:
        if not self.has_room() and self.drainer is not None:
            self.drainer()
        return self.has_room()

    cdef Note* make(self, bint logged, bint audited) noexcept nogil:
        cdef Note* note = self.notes + self.count % self.most
        if not self.has_room():
            self.lost += logged
            self.unaudited += audited
            return NULL
        if self.count - self.drained == self.most:
            self.lost += note.logged
            self.unaudited += note.audited
            self.drained += 1
        self.count += 1
        memset(note, 0, sizeof(Note))
        return note

    cdef void draw_id(self, unsigned char* id16) noexcept nogil:
        """A pseudo-random function of a counter."""
        self.ids += 1
        siphash128_into(self.id_key, <const unsigned char*>&self.ids, sizeof(uint64_t), id16)

    cdef tuple told(self, const Note* note):
        return (
            note.at, note.seconds, note.generation, note.route, note.rule, note.refusal,
            PyBytes_FromStringAndSize(<const char*>note.method, note.method_size),
            PyBytes_FromStringAndSize(<const char*>note.peer, note.peer_size),
            PyBytes_FromStringAndSize(<const char*>note.trace, note.trace_size),
            PyBytes_FromStringAndSize(<const char*>note.request_id, 16),
            PyBytes_FromStringAndSize(<const char*>note.token_name, 32),
            PyBytes_FromStringAndSize(<const char*>note.digest, 16), note.length,
            PyBytes_FromStringAndSize(<const char*>note.asked, note.asked_size), note.logged != 0, note.audited != 0,
        )

    @property
    def waiting(self):
        """How many notes were not drained yet."""
        return self.count - self.drained

    @property
    def half(self):
        """At how many that wait the lane tells its clerk to hurry."""
        return self.most >> 1

    def drain(self, Py_ssize_t most=-1):
        """The notes that are to become lines or records and were not drained before, oldest first (``Noted`` in the stub).

        ``most``: of them, so that a long row of notes is told in several pieces; negative: all.
        """
        cdef list found = []
        cdef const Note* note
        while self.drained < self.count and (most < 0 or len(found) < most):
            note = self.notes + self.drained % self.most
            self.drained += 1
            if note.logged or note.audited:
                found.append(self.told(note))
        return found

    def find(self, bytes request_id not None):
        """The refusal of this request id (16 bytes), or None."""
        cdef uint64_t at = self.count
        cdef const Note* note
        if PyBytes_GET_SIZE(request_id) != 16:
            return None
        while at > 0 and self.count - at < self.most:
            at -= 1
            note = self.notes + at % self.most
            if note.refusal >= 0 and memcmp(note.request_id, PyBytes_AS_STRING(request_id), 16) == 0:
                return self.told(note)
        return None
