"""A ring of fixed size for what is noted of decisions that no Python saw, and the bucket that says which get a line.

A decision costs a note at the most; lines are made of notes later, when there is time, and no more of them than the bucket
lets through.  Refusals stay to be looked up by request id until the ring has come round.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

from bearerd._native.clock cimport boot_now


Noted = tuple[float, float, int, int, int, int, bytes, bytes, bytes, bytes, bytes, bytes, int, bytes]


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

    def __dealloc__(self):
        free(self.notes)

    def __len__(self):
        return <Py_ssize_t>min(self.count, <uint64_t>self.most)

    cdef Note* make(self) noexcept nogil:
        cdef Note* note = self.notes + self.count % self.most
        if self.count - self.drained == self.most:
            self.lost += note.logged
            self.drained += 1
        self.count += 1
        memset(note, 0, sizeof(Note))
        return note

    cdef tuple told(self, const Note* note):
        return (
            note.at, note.seconds, note.generation, note.route, note.rule, note.refusal,
            PyBytes_FromStringAndSize(<const char*>note.method, note.method_size),
            PyBytes_FromStringAndSize(<const char*>note.peer, note.peer_size),
            PyBytes_FromStringAndSize(<const char*>note.trace, note.trace_size),
            PyBytes_FromStringAndSize(<const char*>note.request_id, 16),
            PyBytes_FromStringAndSize(<const char*>note.token_name, 32),
            PyBytes_FromStringAndSize(<const char*>note.digest, 16), note.length,
            PyBytes_FromStringAndSize(<const char*>note.asked, note.asked_size),
        )

    def drain(self):
        """The notes that are to become lines and were not drained before, oldest first (``Noted`` in the stub)."""
        cdef list found = []
        cdef const Note* note
        while self.drained < self.count:
            note = self.notes + self.drained % self.most
            self.drained += 1
            if note.logged:
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
