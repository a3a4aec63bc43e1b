"""Compiled selectors of an MCP resource's rules: tools, resources, prompts and methods, by name or glob.

``*`` is any run of characters, none too; in the URI of a resource none of ``/``, where ``**`` is any run.  Each pattern has a
twin for names that are folded (``mcp.folding``), by which a narrow miss is seen.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

NONE = -1
AMBIGUOUS = -2

cdef struct Record:
    uint32_t kind
    uint32_t rule  # its place
    uint32_t text  # offset of the pattern; its twin follows at once
    uint32_t size
    uint32_t twin_size


cdef bint glob_matches(const unsigned char* p, size_t m, const unsigned char* s, size_t n, bint of_uris) noexcept nogil:
    """The last star of either sort takes one byte more where what follows it does not fit.

    No star before it needs to: what one of the narrow ones takes ends at a slash, which stands where it stands, and a wide one
    takes whatever an earlier one could have.
    """
    cdef size_t i = 0, j = 0
    cdef size_t narrow = 0, narrow_at = 0  # behind the star in the pattern (0: none), and the byte that it would take next
    cdef size_t wide = 0, wide_at = 0
    while True:
        if i < m and p[i] == c'*':
            if not of_uris or (i + 1 < m and p[i + 1] == c'*'):
                while i < m and p[i] == c'*':
                    i += 1
                wide, wide_at, narrow = i, j, 0
            else:
                i += 1
                narrow, narrow_at = i, j
            continue
        if i == m and j == n:
            return True
        if i < m and j < n and p[i] == s[j]:
            i += 1
            j += 1
            continue
        if narrow and narrow_at < n and s[narrow_at] != c'/':
            narrow_at += 1
            i, j = narrow, narrow_at
        elif wide and wide_at < n:
            wide_at += 1
            i, j, narrow = wide, wide_at, 0
        else:
            return False


@cython.final
cdef class Operations:
    """Rules in order, each ``[(kind, pattern, its twin)]``; ``free``: methods for which no rule is needed.

    A kind is a place in ``mcp.globs.KINDS``.
    """

    def __init__(self, rules, free=()):
        cdef list records = [
            (kind, place, pattern.encode(), twin.encode())
            for place, patterns in enumerate(rules)
            for kind, pattern, twin in patterns
        ]
        cdef bytes text = b"".join([pattern + twin for _, _, pattern, twin in records])
        cdef size_t head = sizeof(Record) * <size_t>len(records)
        cdef uint32_t offset = <uint32_t>head
        cdef Record* record
        if self.block != NULL:
            raise TypeError("rules are compiled once")
        if head + <size_t>len(text) >= <size_t>0xFFFFFFFF:
            raise ValueError("the rules are too large")
        self.block = <unsigned char*>malloc(head + <size_t>len(text) + 1)
        if self.block == NULL:
            raise MemoryError
        memcpy(self.block + head, PyBytes_AS_STRING(text), <size_t>len(text))
        for i, (kind, place, pattern, twin) in enumerate(records):
            if not 0 <= kind <= MCP:
                raise ValueError("no such kind")
            record = <Record*>self.block + <Py_ssize_t>i
            record.kind, record.rule = kind, place
            record.text, record.size, record.twin_size = offset, <uint32_t>len(pattern), <uint32_t>len(twin)
            offset += record.size + record.twin_size
        self.count = len(records)
        self.free = tuple([method.encode() for method in free])

    def __dealloc__(self):
        free(self.block)

    cdef Py_ssize_t select(
        self, int kind, const unsigned char* name, size_t n, const unsigned char* folded, size_t folded_size
    ) noexcept nogil:
        cdef Py_ssize_t i, found = NO_RULE
        cdef const Record* record
        for i in range(self.count):
            record = <const Record*>self.block + i
            if record.kind == <uint32_t>kind and glob_matches(
                self.block + record.text, record.size, name, n, kind == RESOURCE
            ):
                found = record.rule
                break
        for i in range(self.count):
            record = <const Record*>self.block + i
            if record.rule >= found:  # below 0: none was found, and what misses narrowly is denied as it is
                break
            if record.kind == <uint32_t>kind and glob_matches(
                self.block + record.text + record.size, record.twin_size, folded, folded_size, kind == RESOURCE
            ):
                return NEAR_MISS
        return found

    cdef bint is_free(self, const unsigned char* method, size_t n):
        """Whether the resource's scopes are enough for it, where no rule names it."""
        cdef bytes known
        for known in self.free:
            if <size_t>PyBytes_GET_SIZE(known) == n and memcmp(PyBytes_AS_STRING(known), method, n) == 0:
                return True
        return False

    def match(self, int kind, bytes name not None, bytes folded not None):
        """The first rule whose selectors match, else NONE.

        AMBIGUOUS: an earlier rule misses the name only once it is folded, and this one would decide.
        """
        return self.select(
            kind,
            <const unsigned char*>PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name),
            <const unsigned char*>PyBytes_AS_STRING(folded), <size_t>PyBytes_GET_SIZE(folded),
        )


def matches(int kind, bytes pattern not None, bytes name not None):
    """Whether one pattern matches a name."""
    return glob_matches(
        <const unsigned char*>PyBytes_AS_STRING(pattern), <size_t>PyBytes_GET_SIZE(pattern),
        <const unsigned char*>PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name), kind == RESOURCE,
    )
