"""A request head in Python's terms: what is asked where the lane does not decide by itself."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t

from bearerd._native.fieldnames cimport HOST
from bearerd._native.head cimport Face

Question = tuple[bool, bytes, str, bytes, list[tuple[bytes, bytes]], str | None, str, bool, bool]


cdef inline bytes piece(const unsigned char* p, uint32_t at, uint32_t length):
    return PyBytes_FromStringAndSize(<const char*>p + at, length)


cdef tuple question_of(const unsigned char* p, const Head* head, str peer, bint trusted):
    cdef list fields = []
    cdef uint32_t i
    for i in range(head.fields):
        fields.append((
            piece(p, head.field[i].name.at, head.field[i].name.length),
            piece(p, head.field[i].value.at, head.field[i].value.length),
        ))
    return (
        head.face == Face.EXT_AUTHZ,
        piece(p, head.name.at, head.name.length),
        piece(p, head.method.at, head.method.length).decode("ascii"),
        piece(p, head.target.at, head.target.length),
        fields,
        None if head.known[HOST] < 0 else fields[head.known[HOST]][1].decode("utf-8", "surrogateescape"),
        peer, trusted, head.is_head,
    )
