cimport cython

cdef enum:
    # Kinds, by mcp.globs.KINDS.
    TOOL = 0
    RESOURCE = 1
    PROMPT = 2
    MCP = 3
    NO_RULE = -1
    NEAR_MISS = -2


@cython.final
cdef class Operations:
    # One block without pointers: `count` records, then the text that their offsets name.
    cdef unsigned char* block
    cdef Py_ssize_t count
    cdef tuple free  # methods that need no rule

    # The rule's place, NO_RULE or NEAR_MISS.
    cdef Py_ssize_t select(
        self, int kind, const unsigned char* name, size_t n, const unsigned char* folded, size_t folded_size
    ) noexcept nogil
    cdef bint is_free(self, const unsigned char* method, size_t n)
