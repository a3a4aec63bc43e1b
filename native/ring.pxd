# What is noted of decisions that no Python saw: flat records in a ring of fixed size.

cimport cython
from libc.string cimport memcpy
from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t, uint64_t

from bearerd._native.operations cimport Said

cdef enum:
    METHOD = 16  # bytes; longer than any that is known, so that what is cut off a longer one is none either
    PEER = 46
    TRACE = 55
    # Of what is asked of an MCP server, as audit.operations has it; each with a NUL behind it.
    VERSION_SHOWN = 32
    METHOD_SHOWN = 64
    NAME_SHOWN = 128
    ASKED = 227
    ID = 16
    DIGITS = 32

cdef struct Note:
    double at  # wall time (seconds)
    double seconds  # that the decision took
    unsigned char[16] request_id  # zeros on an allow
    unsigned char[16] digest  # keyed128 of the token: an allow's claims are in the cache
    unsigned char[32] token_name  # of a refused one
    uint32_t length  # of the token
    uint32_t route
    uint32_t generation  # of the configuration that the route is of
    int32_t rule  # place among the enforced rules; -1: none
    int16_t refusal  # place among the route's refusals; -1: allowed
    uint8_t logged  # a line is to be written
    uint8_t audited  # an audit record is, too
    uint8_t kept  # and is not to be lost: nothing is written over this note before it is drained
    uint8_t method_size
    uint8_t peer_size
    uint8_t trace_size
    uint8_t asked_size
    unsigned char[METHOD] method
    unsigned char[PEER] peer
    unsigned char[TRACE] trace
    unsigned char[ASKED] asked


cdef inline void note_part(Note* note, const unsigned char* text, size_t size, size_t most) noexcept nogil:
    """One more part of what is asked, as much of it as lines show, behind a NUL."""
    if size > most:
        size = most
    memcpy(note.asked + note.asked_size, text, size)
    note.asked_size += <uint8_t>(size + 1)


cdef inline void note_asked(Note* note, const Said* said) noexcept nogil:
    """Version, method, and the item's name; the note is zeroed."""
    note_part(note, said.version, said.version_size, VERSION_SHOWN)
    note_part(note, said.method, said.method_size, METHOD_SHOWN)
    if said.name != NULL:
        note_part(note, said.name, said.name_size, NAME_SHOWN)


@cython.final
cdef class Burst:
    cdef public double rate
    cdef double left
    cdef double at

    cdef bint take_at(self, double boot) noexcept nogil


@cython.final
cdef class Ring:
    cdef Note* notes
    cdef size_t most
    cdef uint64_t count  # notes ever made
    cdef uint64_t drained  # those before it were looked at by `drain`, or are gone
    cdef readonly uint64_t lost  # lines that were to be written, and overwritten before
    cdef readonly uint64_t unaudited  # audit records, likewise
    cdef unsigned char[16] id_key
    cdef uint64_t ids
    cdef public object drainer  # called where there is no room: it drains what it can; None: nobody does

    # Whether a note can be made: the one that would go is not to be kept.
    cdef bint has_room(self) noexcept nogil
    cdef bint is_half_full(self) noexcept nogil
    # The same once the drainer was called, where there was none.
    cdef bint makes_room(self) except -1
    # The oldest note's place, zeroed, for a new one; NULL where there is no room, and what was to be made of it is counted.
    cdef Note* make(self, bint logged, bint audited) noexcept nogil
    # 128 bits that nobody can guess, and none twice.
    cdef void draw_id(self, unsigned char* id16) noexcept nogil
    cdef tuple told(self, const Note* note)

cdef void name(Note* note, const unsigned char* method, size_t method_size, const unsigned char* peer, size_t peer_size) noexcept nogil
cdef void write_hex(const unsigned char* id16, unsigned char* digits) noexcept nogil
