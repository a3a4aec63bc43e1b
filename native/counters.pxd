cimport cython
from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint16_t, uint64_t

cdef struct Series:
    size_t size  # words in all
    size_t key_length  # bytes
    int kind
    size_t bounds
    size_t first_bound  # words from the start of the series
    size_t first_cell


@cython.final
cdef class Page:
    cdef Py_buffer view
    cdef bint held  # the view is to be released
    cdef uint64_t* words
    cdef size_t count  # of words
    cdef size_t end  # the first word without a series
    cdef uint16_t* shape  # by word: 0, or (bounds << 2 | kind) where a series' cells begin; our own, not shared
    cdef dict cells  # key -> first cell

    # As the methods without the suffix; a cell that is none is ignored.
    cdef void add_to(self, size_t cell, double amount) noexcept nogil
    cdef void set_to(self, size_t cell, double value) noexcept nogil
    cdef void observe_in(self, size_t cell, double value) noexcept nogil

    cdef int adopt(self) except -1
    cdef size_t enter(self, const Series* series) except 0
    cdef bint has_shape(self, size_t cell, int kind, list bounds) except -1
    cdef int write(self, const Series* series, bytes key, list bounds) except -1
    cdef size_t known(self, Py_ssize_t cell, bint histogram) except 0
