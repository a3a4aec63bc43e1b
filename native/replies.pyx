"""How large a reply of the store may become: its bytes are measured as they come, before they are parsed.

RESP2 alone.  What is looked at is where values begin and how long they say that they are: a parser makes room for an array
of a billion values as soon as it has read its thirteen bytes.  Of lengths only plain digits are taken, so that the parser
behind can never find another value where we do.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t

cdef enum:
    LINE = 64 * 1024  # bytes of a status, an error or a number
    DIGITS = 10  # of a length
    EACH = 16  # bytes that a value of an array counts at least: it takes more than that of the memory

cdef enum Fault:
    NONE
    STRANGE
    LONG
    LARGE


@cython.final
cdef class Meter:
    """Of one connection.  Until ``begin`` nothing may come."""

    cdef uint64_t most  # bytes
    cdef uint64_t size  # that came so far
    cdef uint64_t values  # that arrays announced
    cdef uint64_t skip  # bytes of a bulk string, and its end, that are still to come
    cdef unsigned char kind  # of the value whose line is being read; 0: the next one has not begun
    cdef uint64_t length  # of its line
    cdef uint64_t number  # that it tells
    cdef bint none  # it begins with a minus: there is no such string or array
    cdef bint returned  # the last byte was a carriage return

    def begin(self, uint64_t most):
        """What comes from now on has at most so many bytes, of which each value of an array counts sixteen at least."""
        self.most = most
        self.size = self.values = 0

    def take(self, bytes piece not None):
        """Some more bytes: what is wrong with them; None: they may still become a good reply."""
        cdef Fault fault = self.measure(
            <const unsigned char*>PyBytes_AS_STRING(piece), <size_t>PyBytes_GET_SIZE(piece)
        )
        if fault == NONE:
            return None
        if fault == LARGE:
            return f"a reply of more than {self.most} bytes"
        return f"a line of more than {LINE} bytes" if fault == LONG else "no reply as RESP2 has them"

    cdef Fault measure(self, const unsigned char* piece, size_t size) noexcept nogil:
        cdef size_t i = 0
        cdef unsigned char c
        cdef uint64_t step
        self.size += size
        if self.size > self.most:
            return LARGE
        while i < size:
            if self.skip:
                step = min(self.skip, <uint64_t>(size - i))
                self.skip -= step
                i += step
                continue
            c = piece[i]
            i += 1
            if self.kind == 0:
                if c not in (b"+", b"-", b":", b"$", b"*"):
                    return STRANGE
                self.kind = c
                self.length = self.number = 0
                self.none = self.returned = False
            elif self.returned and c == b"\n":
                if self.kind == b"*" and not self.none:
                    self.values += self.number
                    if self.values * EACH > self.most:
                        return LARGE
                elif self.kind == b"$" and not self.none:
                    if self.number > self.most:
                        return LARGE
                    self.skip = self.number + 2
                self.kind = 0
            else:
                self.length += 1
                if self.length > LINE:
                    return LONG
                if self.kind in (b"$", b"*") and not self.digit(c):
                    return STRANGE
                self.returned = c == b"\r"
        return NONE

    cdef bint digit(self, unsigned char c) noexcept nogil:
        """Whether a length may go on like this."""
        if self.returned:
            return False
        if b"0" <= c <= b"9" and self.length <= DIGITS:
            self.number = 10 * self.number + (c - 48)
            return not self.none or self.number == 1
        if c == b"-":
            self.none = self.length == 1
            return self.none
        return c == b"\r"
