# For C callers (the lane).  `n` counts the bytes at `target`; nothing beyond them is read.

# Writes the normalised path to `out` (room for `n` bytes) and returns its length, or -1 where the path is ambiguous.
cdef Py_ssize_t normalise_into(const unsigned char* target, size_t n, unsigned char* out) noexcept nogil

cdef bint names_access_token(const unsigned char* target, size_t n) noexcept nogil

# Length of NAME right after the prefix; 0 where there is none.
cdef size_t name_length(
    const unsigned char* target, size_t n, const unsigned char* prefix, size_t prefix_length
) noexcept nogil
