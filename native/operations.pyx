"""Compiled selectors of an MCP resource's rules, and what of a request's head they are matched with (header mode).

Rules select tools, resources, prompts and methods, by name or glob.

``*`` is any run of characters, none too; in the URI of a resource none of ``/``, where ``**`` is any run.  Each pattern has a
twin for names that are folded (``mcp.folding``), by which a narrow miss is seen.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from bearerd._native.ascii cimport is_digit, is_lower, to_lower
from bearerd._native.fieldnames cimport MCP_METHOD, MCP_NAME, MCP_VERSION, ORDINARY, bit, name_of
from bearerd._native.head cimport Field, Head, value_of

NONE = -1
AMBIGUOUS = -2

cdef enum:
    LONGEST_METHOD = 128  # bytes, as mcp.fields has them
    LONGEST_NAME = 2048

cdef const char* SENTINEL = b"=?base64?"
cdef (const char*)[3] NAMED = [b"tools/call", b"resources/read", b"prompts/get"]  # by kind
cdef size_t[3] NAMED_LENGTHS = [10, 14, 11]

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
    """Rules in order, each ``[(kind, pattern, its twin)]``; a kind is a place in ``mcp.globs.KINDS``.

    For heads: ``free``, methods for which no rule is needed; ``versions``, of those by which headers are believed;
    ``reviewed``, the only tools that may be called.
    """

    def __init__(self, rules, free=(), versions=(), reviewed=None):
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
        self.free = frozenset([method.encode() for method in free])
        self.versions = frozenset([version.encode() for version in versions])
        self.reviewed = None if reviewed is None else frozenset([name.encode() for name in reviewed])

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

    cdef Py_ssize_t of_head(
        self, const unsigned char* p, const Head* head, bint joined, unsigned char* room, Said* said
    ) except -3:
        cdef const unsigned char* name
        cdef size_t n
        cdef Py_ssize_t found
        cdef int kind = self.read(p, head, joined, room, said)
        if kind < 0:
            return ELSEWHERE
        name, n = said.name, said.name_size
        if kind == MCP:
            name, n = said.method, said.method_size
        elif kind == TOOL and self.reviewed is not None and name[:n] not in self.reviewed:
            return ELSEWHERE
        found = self.select(kind, name, n, room, n)
        if found >= 0:
            return found
        return FREE if found == NO_RULE and kind == MCP and name[:n] in self.free else ELSEWHERE

    cdef int read(self, const unsigned char* p, const Head* head, bint joined, unsigned char* room, Said* said) except -2:
        """The kind of what is named, and its name, with its folded twin in ``room``; -1 where Python has to look."""
        cdef size_t i
        cdef int kind
        if head.twice & (bit(MCP_METHOD) | bit(MCP_NAME) | bit(MCP_VERSION)) or head.known[MCP_METHOD] < 0:
            return -1
        if head.known[MCP_VERSION] < 0 or has_lookalike(p, head):
            return -1
        said.version = value_of(p, head, head.known[MCP_VERSION], &said.version_size)
        if said.version[:said.version_size] not in self.versions:
            return -1
        said.method = value_of(p, head, head.known[MCP_METHOD], &said.method_size)
        said.name, said.name_size = NULL, 0
        kind = kind_of(said.method, said.method_size)
        if kind == MCP:
            if head.known[MCP_NAME] >= 0 or not is_method(said.method, said.method_size):
                return -1
            for i in range(said.method_size):
                room[i] = to_lower(said.method[i])
            return kind if kind_of(room, said.method_size) == MCP else -1
        if head.known[MCP_NAME] < 0:
            return -1
        said.name = value_of(p, head, head.known[MCP_NAME], &said.name_size)
        if not is_plain(said.name, said.name_size, joined) or (
            kind == RESOURCE and not is_plain_uri(said.name, said.name_size)
        ):
            return -1
        for i in range(said.name_size):
            room[i] = to_lower(said.name[i])
        return kind

    def match(self, int kind, bytes name not None, bytes folded not None):
        """The first rule whose selectors match, else NONE.

        AMBIGUOUS: an earlier rule misses the name only once it is folded, and this one would decide.
        """
        return self.select(
            kind,
            <const unsigned char*>PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name),
            <const unsigned char*>PyBytes_AS_STRING(folded), <size_t>PyBytes_GET_SIZE(folded),
        )


# ---- heads: what is left to Python is not wrong, but has more to it ----


cdef bint has_lookalike(const unsigned char* p, const Head* head) noexcept nogil:
    """A field that some servers take for one of ours, like ``Mcp_Name``: Python knows which ones do."""
    cdef uint32_t i
    cdef const Field* field
    for i in range(head.fields):
        field = &head.field[i]
        if (
            (field.name.length == 8 or field.name.length == 10 or field.name.length == 20)
            and to_lower(p[field.name.at]) == c'm'
            and name_of(p + field.name.at, field.name.length) == ORDINARY
        ):
            return True
    return False


cdef int kind_of(const unsigned char* method, size_t n) noexcept nogil:
    cdef int kind
    for kind in range(MCP):
        if n == NAMED_LENGTHS[kind] and memcmp(method, NAMED[kind], n) == 0:
            return kind
    return MCP


cdef bint is_method(const unsigned char* p, size_t n) noexcept nogil:
    """Lower-case letters with a slash between, as every method of the specification has it, or ``ping``."""
    cdef size_t i
    for i in range(n):
        if not (is_lower(to_lower(p[i])) or p[i] == c'/' or p[i] == c'_'):
            return False
    return 0 < n <= LONGEST_METHOD and is_lower(p[0]) and (memchr(p, c'/', n) != NULL or n == 4)


cdef bint is_plain(const unsigned char* p, size_t n, bint joined) noexcept nogil:
    """Visible ASCII, as it is: neither base64 nor, perhaps, two fields that a gateway has joined."""
    cdef size_t i
    for i in range(n):
        if p[i] < 0x20 or p[i] >= 0x7F or (joined and p[i] == c','):
            return False
    return 0 < n <= LONGEST_NAME and not (n >= 9 and memcmp(p, SENTINEL, 9) == 0)


cdef bint is_plain_uri(const unsigned char* p, size_t n) noexcept nogil:
    """A URI that cannot be read in two ways, and is nothing but lower-cased when it is folded."""
    cdef const unsigned char* colon = <const unsigned char*>memchr(p, c':', n)
    cdef size_t i, path
    if colon == NULL or colon == p:
        return False
    path = <size_t>(colon - p) + 1
    for i in range(path - 1):
        if not is_lower(p[i]):
            return False
    if n - path < 4 or p[path] != c'/' or p[path + 1] != c'/' or p[n - 1] == c'/' or p[n - 1] == c'.':
        return False
    for i in range(path, n):
        if not (is_lower(to_lower(p[i])) or is_digit(p[i]) or p[i] == c'-' or p[i] == c'_' or p[i] == c'~'
                or p[i] == c'.' or p[i] == c'/'):
            return False
        if p[i] == c'/' and i > path + 1 and (i + 1 == n or p[i + 1] == c'.' or (p[i + 1] == c'/')):
            return False
    if p[path + 2] == c'.':
        return False
    return path != 5 or memcmp(p, b"file", 4) != 0 or p[path + 2] == c'/'  # file://localhost/x is file:///x


def matches(int kind, bytes pattern not None, bytes name not None):
    """Whether one pattern matches a name."""
    return glob_matches(
        <const unsigned char*>PyBytes_AS_STRING(pattern), <size_t>PyBytes_GET_SIZE(pattern),
        <const unsigned char*>PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name), kind == RESOURCE,
    )
