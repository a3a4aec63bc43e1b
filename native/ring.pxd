# What is noted of decisions that no Python saw: flat records in a ring of fixed size.

cimport cython
from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t, uint64_t

cdef enum:
    METHOD = 16  # bytes; longer than any that is known, so that what is cut off a longer one is none either
    PEER = 46
    TRACE = 55

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
    uint8_t method_size
    uint8_t peer_size
    uint8_t trace_size
    unsigned char[METHOD] method
    unsigned char[PEER] peer
    unsigned char[TRACE] trace


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

    # The oldest note's place, zeroed, for a new one.
    cdef Note* make(self) noexcept nogil
    cdef tuple told(self, const Note* note)
