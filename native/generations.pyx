"""Integers that say which configuration, key sets and revocations a cached entry was checked under."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc

cdef enum:
    MOST_ISSUERS = 1 << 16  # a cached entry keeps the index in 16 bits


@cython.final
cdef class Generations:
    """One a worker.  A mismatch re-checks the entry; nothing is swept."""

    def __dealloc__(self):
        free(self.key_sets)

    cdef uint32_t of_issuer(self, size_t issuer) noexcept nogil:
        return self.key_sets[issuer] if issuer < self.count else 0

    cdef uint64_t of_all(self) noexcept nogil:
        return (<uint64_t>self.config << 32) + self.bumps

    @property
    def total(self):
        """One integer for configuration and key sets, which grows with each change of either."""
        return self.of_all()

    def key_set(self, Py_ssize_t issuer):
        """The generation of that issuer's key set; 0 before the first."""
        return self.of_issuer(index_of(issuer))

    def bump_key_set(self, Py_ssize_t issuer):
        """One more (the issuer's usable keys changed); returns it."""
        cdef size_t index = index_of(issuer)
        cdef size_t size = self.count
        cdef uint32_t* grown
        if index >= size:
            while size <= index:
                size = 2 * size + 8
            grown = <uint32_t*>realloc(self.key_sets, size * sizeof(uint32_t))
            if grown == NULL:
                raise MemoryError
            self.key_sets = grown
            while self.count < size:
                grown[self.count] = 0
                self.count += 1
        if self.key_sets[index] == <uint32_t>0xFFFFFFFF:
            raise OverflowError("key set generations are used up: restart the worker")  # never back to one that was
        self.key_sets[index] += 1
        self.bumps += 1
        return self.key_sets[index]


cdef size_t index_of(Py_ssize_t issuer) except? 0:
    if not 0 <= issuer < MOST_ISSUERS:
        raise IndexError(f"an issuer's index is 0 to {MOST_ISSUERS - 1}")
    return <size_t>issuer
