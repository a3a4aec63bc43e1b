cimport cython
from libc.stdint cimport uint32_t

from bearerd._native.head cimport Head

cdef enum:
    # Kinds, by mcp.globs.KINDS.
    TOOL = 0
    RESOURCE = 1
    PROMPT = 2
    MCP = 3
    NO_RULE = -1
    NEAR_MISS = -2
    # Of a head:
    FREE = -1  # no rule is needed
    ELSEWHERE = -2  # Python has to look

cdef struct Said:  # of a head; nothing is copied
    const unsigned char* version
    size_t version_size
    const unsigned char* method
    size_t method_size
    const unsigned char* name  # NULL: none is needed
    size_t name_size


@cython.final
cdef class Operations:
    # One block without pointers: `count` records, then the text that their offsets name.
    cdef unsigned char* block
    cdef Py_ssize_t count
    cdef frozenset free  # methods that need no rule
    cdef frozenset versions  # by which headers are believed
    cdef frozenset reviewed  # the only tools that may be called; or None

    # The rule's place, NO_RULE or NEAR_MISS.
    cdef Py_ssize_t select(
        self, int kind, const unsigned char* name, size_t n, const unsigned char* folded, size_t folded_size
    ) noexcept nogil
    # The same for what a head says (header mode): a rule's place, FREE or ELSEWHERE.  `room` is for LONGEST_NAME bytes.
    cdef Py_ssize_t of_head(
        self, const unsigned char* p, const Head* head, bint joined, unsigned char* room, Said* said
    ) except -3
    cdef int read(self, const unsigned char* p, const Head* head, bint joined, unsigned char* room, Said* said) except -2
