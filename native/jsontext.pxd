# Scans the `n` bytes at `p`, reading nothing beyond them.  NULL where they are good, else why not: a constant text that
# quotes none of them, empty when memory ran out.  Depth counts the top object as one and is never allowed beyond 1024.
cdef const char* scan_text(
    const unsigned char* p, size_t n, Py_ssize_t max_depth, Py_ssize_t max_members
) noexcept nogil
