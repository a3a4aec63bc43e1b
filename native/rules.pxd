cimport cython


@cython.final
cdef class Rules:
    # One block without pointers: `count` rule records, then the text that their offsets name.  See rules.pyx.
    cdef unsigned char* block
    cdef Py_ssize_t count

    # What `match` answers, or -3 when memory ran out (refuse).  `start` >= 0.
    cdef Py_ssize_t select(
        self,
        const unsigned char* method, size_t method_length,
        const unsigned char* path, size_t path_length,
        bint preflight, Py_ssize_t start,
    ) noexcept nogil
