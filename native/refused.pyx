"""A short memory of tokens whose refusal is a pure function of their bytes, the key sets and the configuration.

It is a table of its own, so that a flood of bad tokens evicts no good one; and set-associative, so that a flood costs each
of them the same few comparisons.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport INT32_MAX, int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memmove

from bearerd._native.digest cimport keyed128_of
from bearerd._native.slots cimport bearerd_high

cdef enum:
    WAYS = 8
    NOTHING = -1
    NAME = 32  # bytes


cdef inline bint is_of(const Memory* memory, const unsigned char* digest16, size_t length) noexcept nogil:
    return memory.length == length and memcmp(memory.digest, digest16, 16) == 0


@cython.final
cdef class RefusedTokens:
    """A fixed-size table; a full set forgets its oldest.  ``entries`` is rounded up to whole sets of eight."""

    def __cinit__(self, Py_ssize_t entries):
        if entries < 1:
            raise ValueError("entries must be at least 1")
        self.count = (<size_t>entries + WAYS - 1) // WAYS
        self.sets = <Memory*>calloc(self.count, WAYS * sizeof(Memory))
        if self.sets == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.sets)

    cdef Memory* set_of(self, const unsigned char* digest16) noexcept nogil:
        cdef uint64_t word
        memcpy(&word, digest16, 8)
        return self.sets + <size_t>bearerd_high(word, self.count) * WAYS

    cdef const Memory* recall(
        self, const unsigned char* digest16, size_t length, double boot, uint64_t generation
    ) noexcept nogil:
        cdef const Memory* memory = self.set_of(digest16)
        cdef int i
        for i in range(WAYS):
            if is_of(memory + i, digest16, length):
                # The clock is asked so that no NaN and no clock that fails prolongs a memory.
                if memory[i].generation != generation or not boot < memory[i].until_boot:
                    return NULL
                return memory + i
        return NULL

    cdef void remember(
        self, const unsigned char* digest16, size_t length, int32_t value, double until_boot, uint64_t generation,
        const unsigned char* name32,
    ) noexcept nogil:
        cdef Memory* memory = self.set_of(digest16)
        cdef size_t place = 0
        while place < WAYS - 1 and memory[place].length != 0 and not is_of(memory + place, digest16, length):
            place += 1
        memmove(memory + 1, memory, place * sizeof(Memory))
        memcpy(memory.digest, digest16, 16)
        memcpy(memory.name, name32, NAME)
        memory.until_boot = until_boot
        memory.generation = generation
        memory.length = <uint32_t>length
        memory.value = value

    def find(self, bytes token not None, double boot, uint64_t generation):
        """The small integer put for these bytes, or -1.  ``generation`` covers configuration and all key sets."""
        cdef unsigned char[16] digest
        cdef size_t length = keyed128_of(token, digest)
        cdef const Memory* found
        if not 0 < length <= <size_t>0xFFFFFFFF:
            return NOTHING
        found = self.recall(digest, length, boot, generation)
        if found == NULL:
            return NOTHING
        self.hits += 1
        return found.value

    def put(
        self, bytes token not None, Py_ssize_t value, double until_boot, uint64_t generation,
        bytes name not None=bytes(NAME),
    ):
        """Remember ``value`` (not negative) for these bytes until ``until_boot`` (seconds), under this generation.

        ``name``: the 32 bytes by which logs call the token (SHA-256 of its signing input).
        """
        cdef unsigned char[16] digest
        cdef size_t length = keyed128_of(token, digest)
        if not 0 <= value <= INT32_MAX:
            raise ValueError("value must not be negative, and has 31 bits")
        if PyBytes_GET_SIZE(name) != NAME:
            raise ValueError("a name has 32 bytes")
        if 0 < length <= <size_t>0xFFFFFFFF:  # an empty token costs less to refuse than to remember
            self.remember(
                digest, length, <int32_t>value, until_boot, generation, <const unsigned char*>PyBytes_AS_STRING(name)
            )

    def memory(self):
        """Bytes held: the same at all times."""
        return self.count * WAYS * sizeof(Memory)
