cimport cython


@cython.final
cdef class Compact:
    cdef readonly bytes header
    cdef readonly bytes payload
    cdef readonly bytes signature
    cdef readonly bytes signing_input


# `split`, for C callers.
cdef Compact split_token(bytes token, Py_ssize_t max_depth, Py_ssize_t max_members)
# For C callers.  `n` counts the bytes at `p`; nothing beyond them is read.

# Decodes strict canonical base64url to `out` (room for n * 3 / 4 bytes, rounded down); the length, or -1 where it is not.
cdef Py_ssize_t base64url_into(const unsigned char* p, size_t n, unsigned char* out) noexcept nogil
