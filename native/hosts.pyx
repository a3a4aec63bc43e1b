"""Which resource a host belongs to, and, where several share a host, a path: for lane and aiohttp alike.

A client chooses both, so nothing is guessed here.  What is not a host to the letter chooses nothing; hosts are compared
whole; and of resources that share a host no path is two's (``config.check_hosts`` sees to that), so their order says nothing.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc

from bearerd._native.ascii cimport hex_value, is_digit, is_lower, to_lower
from bearerd._native.path cimport normalise_into
from bearerd._native.rules cimport Rules

NOBODY = -1
MALFORMED = -2
AMBIGUOUS = -3

cdef enum:
    NONE = -1  # as ``rules`` has it
    NO_MEMORY = -3
    NOT_YET = -2
    PORT_DIGITS = 5


cdef inline bint is_port(const unsigned char* p, size_t n) noexcept nogil:
    """Nothing, or what stands behind a host: a colon and some digits, or none (RFC 3986 section 3.2.3)."""
    cdef size_t i
    if n == 0:
        return True
    if p[0] != c':' or n > PORT_DIGITS + 1:
        return False
    for i in range(1, n):
        if not is_digit(p[i]):
            return False
    return True


cdef Py_ssize_t host_into(const unsigned char* p, size_t n, unsigned char* out) noexcept nogil:
    cdef size_t i = 0
    cdef bint literal = n > 0 and p[0] == c'['
    cdef unsigned char c
    while i < n and i < LONGEST_HOST:
        c = to_lower(p[i])
        if literal:
            if i > 0 and not (hex_value(c) >= 0 or c == c':' or c == c'.'):
                break
        elif not (is_lower(c) or is_digit(c) or c == c'-' or c == c'.' or c == c'_'):
            break
        out[i] = c
        i += 1
    if literal:
        if i == n or i == LONGEST_HOST or p[i] != c']':
            return -1
        out[i] = c']'
        i += 1
    if not is_port(p + i, n - i):
        return -1
    if not literal and i > 1 and out[i - 1] == c'.':
        i -= 1
    return <Py_ssize_t>i if i > 0 else -1


cdef inline const unsigned char* start(bytes text) noexcept:
    if text is None:
        return NULL
    return <const unsigned char*>PyBytes_AS_STRING(text)


@cython.final
cdef class Hosts:
    """Of one configuration: each ``(host, path patterns or None for any path, the resource's place)``."""

    def __init__(self, entries):
        cdef dict belongs = {}
        for host, paths, place in entries:
            rules = None if paths is None else Rules([(None, pattern, False) for pattern in paths])
            belongs.setdefault(host.encode("ascii"), []).append((rules, place))
        self.belongs = belongs
        self.count = len(belongs)

    cdef Py_ssize_t choose(
        self, const unsigned char* host, size_t n, const unsigned char* target, size_t target_size, unsigned char* room
    ) except? -4:
        cdef unsigned char[LONGEST_HOST] name
        cdef Py_ssize_t size, found
        cdef Py_ssize_t path_size = NOT_YET
        cdef list sharing
        cdef tuple entry
        cdef Rules rules
        if host == NULL or n == 0:
            return -1  # NOBODY
        size = host_into(host, n, name)
        if size < 0:
            return -2  # MALFORMED
        sharing = <list>self.belongs.get(PyBytes_FromStringAndSize(<const char*>name, size))
        if sharing is None:
            return -1
        for entry in sharing:
            if entry[0] is None:
                return entry[1]
            if target == NULL:
                return -1
            if path_size == NOT_YET:
                path_size = normalise_into(target, target_size, room)
                if path_size < 0:
                    return -3  # AMBIGUOUS
            rules = <Rules>entry[0]
            found = rules.select(NULL, 0, room, <size_t>path_size, False, 0)
            if found == NO_MEMORY:
                raise MemoryError
            # Of two patterns of one resource the path may miss one narrowly, and match the other: it is that resource's.
            if found != NONE:
                return entry[1]
        return -1

    def find(self, bytes host, bytes target):
        """The place of the resource that this host, and raw target, belong to; None: not told.

        NOBODY: none.  MALFORMED: that is no host.  AMBIGUOUS: resources share the host, and the path can be read in two ways.
        """
        cdef size_t size = 0 if target is None else <size_t>PyBytes_GET_SIZE(target)
        cdef unsigned char* room = <unsigned char*>malloc(size + 1)
        if room == NULL:
            raise MemoryError
        try:
            return self.choose(
                start(host), 0 if host is None else <size_t>PyBytes_GET_SIZE(host), start(target), size, room
            )
        finally:
            free(room)


def normal(bytes value not None):
    """The host in a field's value: lower-cased, without port and final dot; None where it is none.

    Letters, digits, ``-``, ``.`` and ``_``, or an IPv6 address in brackets; then, at most, a colon and a port.  No user, no
    list, no space and nothing beyond ASCII: whatever two readers could take for two hosts is none.
    """
    cdef unsigned char[LONGEST_HOST] out
    cdef Py_ssize_t size = host_into(
        <const unsigned char*>PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value), out
    )
    return None if size < 0 else PyBytes_FromStringAndSize(<const char*>out, size)
