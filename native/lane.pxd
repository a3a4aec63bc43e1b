# What all connections of the lane share.  See lane.pyx.

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from bearerd._native.anchor cimport Anchor, Time
from bearerd._native.buffer cimport Buffer
from bearerd._native.counters cimport Page
from bearerd._native.generations cimport Generations
from bearerd._native.head cimport Head, HeadLimits
from bearerd._native.operations cimport Said
from bearerd._native.refused cimport RefusedTokens
from bearerd._native.revocations cimport Revocations
from bearerd._native.ring cimport Burst, Note, Ring
from bearerd._native.route cimport Route, Routes
from bearerd._native.tokens cimport Lookup, TokenCache

cdef enum Verdict:
    ANSWERED  # the answer stands in the buffer
    KNOWN  # to be decided by Python, now: nothing has to be verified
    UNKNOWN  # to be decided by Python, when it is its turn
    LATER  # to be judged again, once known tokens have had most of the time
    AWAY  # to be judged again, once those who wait have had most of it: there is no room to wait
    ELSEWHERE  # nobody's here: aiohttp's

cdef struct Client:  # what the lane knows of a connection's other end, and of what it asks
    const unsigned char* peer
    size_t peer_size
    bint trusted
    int host  # where /auth is asked: by which field (fieldnames.Name) the resource is chosen; -1: it is not
    int target  # likewise
    bint last  # the answer is the last one
    bint waits  # its question has a place in the queue
    bint stood_back  # it has waited for others
    int32_t route  # where nothing but this route, the rule and the token decides: its number; else -1
    int32_t rule  # the rule's place; -1: none
    bint first  # its token was not known before: what was prepared meanwhile is no hit
    unsigned char[16] digest  # keyed128 of the token that was last looked at
    uint32_t length  # of that token; 0: none was

cdef struct Asked:  # what of a head selects a rule; nothing is copied
    const unsigned char* method
    size_t method_size
    const unsigned char* path
    size_t path_size
    Said said  # to an MCP server


cdef enum:
    SLICE = 2  # milliseconds of a turn of the loop, for reads that take longer than nearly all

@cython.final
cdef class Lane:
    cdef TokenCache cache
    cdef RefusedTokens refused
    cdef Revocations revocations
    cdef Generations generations
    cdef Anchor anchor
    cdef Page page
    cdef readonly Ring ring
    cdef readonly Burst burst
    cdef public Routes routes
    cdef public double log_allows
    cdef public bint full  # there is no room to wait
    cdef public bint outside  # somebody stands back for room: who comes stands behind him
    cdef public bint closing
    cdef readonly uint64_t answered, allowed
    cdef readonly uint64_t hits, misses  # of what was answered: of a known token, and of one that is remembered as refused, or new
    cdef readonly bint noted
    cdef readonly set connections
    cdef double owed
    cdef double heavy  # milliseconds that such reads took in this one
    cdef bint watched  # somebody says when there is another turn
    cdef double allowed_at  # boot time of the last allow
    cdef size_t suppressed
    cdef size_t max_token
    cdef HeadLimits limits
    cdef Time now
    cdef double latest
    cdef double started
    cdef unsigned char* path
    cdef Buffer out
    cdef int64_t second
    cdef unsigned char[29] date

    # Before the first head of a read: the time, and an empty buffer.
    cdef void begin(self) noexcept nogil
    # The same read, after what took its time: only the time is another.
    cdef void go_on(self) noexcept nogil
    # After the last one: what it took is told to whoever shares the loop's time out.
    cdef void finish(self) noexcept nogil
    # Whether who would take longer than others has to wait for another turn of the loop.
    cdef inline bint is_crowded(self) noexcept nogil:
        return self.heavy >= SLICE
    # Decides one request, and writes the answer behind what is in the buffer.
    cdef int judge(self, Client* client, const unsigned char* p, const Head* head) except -1
    # Writes an answer that Python made: ``head`` up to Date.
    cdef int write(self, Client* client, bytes head, bytes body) except -1

    cdef Route chosen(self, const Client* client, const unsigned char* p, const Head* head)
    cdef bint select(self, Route route, const unsigned char* p, const Head* head, Asked* asked, Py_ssize_t* rule) except -1
    cdef Lookup find(self, Client* client, const unsigned char* token, size_t size) noexcept nogil
    cdef int at_once(self) noexcept nogil
    cdef bint stands_back(self, Client* client) noexcept nogil
    cdef inline int known(self, Client* client) noexcept nogil:
        """Python decides at once what is known, which takes it no time, but not without end: KNOWN, UNKNOWN or LATER.

        Who holds a good token may ask for what it is not good for as often as it likes.
        """
        return Verdict.LATER if self.stands_back(client) else self.at_once()
    cdef int look_up(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                     Py_ssize_t rule) except -1
    cdef int refuse_long(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                         Py_ssize_t rule, const unsigned char* token, size_t size) except -1
    cdef bint is_pressed(self, const Client* client) noexcept nogil
    cdef int unless_full(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                         Py_ssize_t rule) except -1
    cdef int allow(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                   Py_ssize_t rule, const unsigned char* text, size_t size) except -1
    cdef int refuse(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                    Py_ssize_t rule, size_t place, const unsigned char* name32) except -1
    cdef Note* note(self, const Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                    Py_ssize_t rule, bint logged, bint audited) noexcept nogil
    cdef double took(self) noexcept nogil
    cdef int put_end(self, const Client* client) except -1
