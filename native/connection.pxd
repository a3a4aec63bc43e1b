# One connection of the lane.  See connection.pyx.

cimport cython

from bearerd._native.head cimport Head
from bearerd._native.lane cimport Client, Lane

cdef enum State:
    READING
    WAITING
    LEAVING
    CLOSING
    GONE

cpdef enum:  # aiohttp's side goes by the same
    HEAD_SECONDS = 10  # from a head's first byte to its last
    IDLE_SECONDS = 3630  # longer than any gateway keeps an idle connection: it must be the one to close
    STALLED_SECONDS = 60  # for which nothing of what we wrote was read
    LARGE = 4 * 1024  # bytes that are read at once, whatever others have come: more than nearly every head has

cdef enum:
    AT_ONCE = 32  # answers to one connection before others get theirs


@cython.final
cdef class Connection:
    cdef Lane lane
    cdef object desk
    cdef object transport
    cdef bytes held  # what came and is not answered
    cdef size_t searched  # of it, for the end of a head
    cdef size_t owed  # of it: the head that waits for its answer
    cdef Client client
    cdef readonly str peer
    cdef readonly str dialect  # in which it asks at /auth; empty: it does not
    cdef bytes peer_text
    cdef object generation  # of the configuration by which the peer is trusted
    cdef State state
    cdef bint write_paused
    cdef bint read_paused
    cdef bint queued  # there is more to answer, or to look at, than was at once: it goes on when its turn comes
    cdef bint away  # it goes on to be told that there is no room
    cdef readonly double since  # boot time at which a head began to arrive, or the last answer was given
    cdef public object waiter

    cdef int keep_up(self) except -1
    cdef int look_at_peer(self) except -1
    cdef int serve(self, bytes data, bint fresh) except -1
    cdef int queue(self) except -1
    cdef int answer_all(self, bytes data, size_t* at) except -1
    cdef int decide(self, const unsigned char* p) except -1
    cdef int go_on(self) except -1
    cdef int read_no_more(self) except -1
    cdef int read_on(self) except -1
    cdef int finish(self) except -1
    cdef int flush(self) except -1
    cdef int keep(self, bytes data) except -1
    cdef int leave(self) except -1
    cdef int close(self) except -1
    cdef int answered(self, const Head* head) except -1
    cdef bint lacks(self, bint anew) except -1
    cdef const Head* waiting(self) except NULL
