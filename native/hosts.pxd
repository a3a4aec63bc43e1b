# Which resource a host belongs to.  See hosts.pyx.

cimport cython

cdef enum:
    LONGEST_HOST = 255  # RFC 1035 section 2.3.4


@cython.final
cdef class Hosts:
    cdef readonly Py_ssize_t count  # of hosts
    cdef dict belongs  # host -> [(Rules or None, place)]

    # The place of the resource, or what `find` answers.  `host` NULL or empty: not told; `target` NULL: likewise.  `room`
    # has as many bytes as the target.
    cdef Py_ssize_t choose(
        self, const unsigned char* host, size_t n, const unsigned char* target, size_t target_size, unsigned char* room
    ) except? -4


# Writes the host to `out` (LONGEST_HOST bytes), and returns its length, or -1 where the field's value is none.
cdef Py_ssize_t host_into(const unsigned char* p, size_t n, unsigned char* out) noexcept nogil
