# What the values of header fields must be to mean something to the lane.  Whatever else they are is Python's.

from libc.string cimport memcmp

cdef enum:
    LONGEST_METHOD = 32  # as faces.forward_auth.METHOD has it
    TRACE = 55


cdef inline bint is_host(const unsigned char* p, size_t n) noexcept nogil:
    """As ``faces.forward_auth`` takes one."""
    cdef size_t i
    for i in range(n):
        if p[i] >= 0x80 or p[i] == c',':
            return False
    return True


cdef inline bint is_plain_method(const unsigned char* p, size_t n) noexcept nogil:
    """Upper-case letters, and not OPTIONS: what selects a rule without a further look."""
    cdef size_t i
    if n == 0 or n > LONGEST_METHOD or (n == 7 and memcmp(p, b"OPTIONS", 7) == 0):
        return False
    for i in range(n):
        if not c'A' <= p[i] <= c'Z':
            return False
    return True


cdef inline bint is_trace(const unsigned char* p, size_t n) noexcept nogil:
    """W3C Trace Context, section 3.2: lower-case hex, in groups of 2, 32, 16 and 2."""
    cdef size_t i
    if n != TRACE:
        return False
    for i in range(n):
        if i == 2 or i == 35 or i == 52:
            if p[i] != c'-':
                return False
        elif not (c'0' <= p[i] <= c'9' or c'a' <= p[i] <= c'f'):
            return False
    return True
