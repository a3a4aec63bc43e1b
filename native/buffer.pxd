# Bytes that are written one behind the other, in memory that is kept for the next ones.

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef struct Buffer:  # zeros: an empty one; whoever has it frees ``text``
    unsigned char* text
    size_t size
    size_t room


cdef inline unsigned char* room_for(Buffer* buffer, size_t size) except NULL:
    """Where the next bytes go."""
    cdef size_t needed = buffer.size + size
    cdef unsigned char* grown
    if needed > buffer.room:
        grown = <unsigned char*>realloc(buffer.text, 2 * needed)
        if grown == NULL:
            raise MemoryError
        buffer.text, buffer.room = grown, 2 * needed
    return buffer.text + buffer.size


cdef inline int put(Buffer* buffer, const unsigned char* p, size_t size) except -1:
    memcpy(room_for(buffer, size), p, size)
    buffer.size += size
    return 0


cdef inline int put_with_hole(
    Buffer* buffer, const unsigned char* p, size_t size, size_t hole, const unsigned char* filling, size_t filling_size
) except -1:
    """The same with other bytes in one place of them."""
    cdef unsigned char* out = room_for(buffer, size)
    memcpy(out, p, size)
    memcpy(out + hole, filling, filling_size)
    buffer.size += size
    return 0


cdef inline bytes taken(Buffer* buffer):
    """All of it: then it is empty."""
    cdef bytes text = PyBytes_FromStringAndSize(<const char*>buffer.text, <Py_ssize_t>buffer.size)
    buffer.size = 0
    return text
