# What the names of header fields mean to us, and to aiohttp.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:  # Name; without one in C, where only a plain number may be an index
    # Those that the faces read: Head.known[...] is where they stand.
    HOST
    AUTHORIZATION
    ORIGINAL_METHOD  # X-Original-Method, and so on
    ORIGINAL_URI
    ORIGINAL_HOST
    FORWARDED_METHOD  # X-Forwarded-Method, and so on
    FORWARDED_URI
    FORWARDED_HOST
    FORWARDED_PROTO
    TRACEPARENT
    ORIGIN
    ACCESS_CONTROL_REQUEST_METHOD
    ACCEPT
    SEC_FETCH_MODE
    MCP_METHOD  # Mcp-Method, and so on
    MCP_NAME
    MCP_VERSION  # MCP-Protocol-Version
    KNOWN  # how many
    # Those of which aiohttp refuses a second one, and the two that say how the message ends.
    CONNECTION = KNOWN
    CONTENT_LENGTH
    CONTENT_LOCATION
    CONTENT_RANGE
    CONTENT_TYPE
    ETAG
    MAX_FORWARDS
    SERVER
    USER_AGENT
    # Means nothing to either.
    ORDINARY
    # Announces a body, another protocol or an answer before the answer.
    STRANGE

cdef enum:
    TWICE_ALLOWED = (1 << KNOWN) - 1 - (1 << HOST) - (1 << AUTHORIZATION)


cdef inline uint32_t bit(int name) noexcept nogil:
    """Of Head.seen and Head.twice."""
    return <uint32_t>1 << name


cdef inline uint64_t each(uint64_t byte) noexcept nogil:
    """A word of eight bytes that are all this one."""
    return byte * 0x0101010101010101U


cdef inline uint64_t load(const void* p) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, p, 8)
    return word


cdef inline bint same(const unsigned char* text, const char* lower, size_t n) noexcept nogil:
    """Whether ``text`` is ``lower`` in any case.

    Exact for a ``text`` without controls and a ``lower`` of letters, digits and ``-``: 0x20 makes nothing else into these.
    """
    cdef size_t i = 0
    if n < 8:
        while i < n and (text[i] | 0x20) == <unsigned char>lower[i]:
            i += 1
        return i == n
    while i < n - 8:
        if (load(text + i) | each(0x20)) != load(lower + i):
            return False
        i += 8
    return (load(text + n - 8) | each(0x20)) == load(lower + n - 8)


cdef inline int name_of(const unsigned char* p, size_t n) noexcept nogil:
    """The ``Name`` of a field; ``p`` must be a token."""
    if n == 4:
        if same(p, b"host", 4):
            return HOST
        if same(p, b"etag", 4):
            return ETAG
    elif n == 8:
        if same(p, b"mcp-name", 8):
            return MCP_NAME
    elif n == 6:
        if same(p, b"origin", 6):
            return ORIGIN
        if same(p, b"accept", 6):
            return ACCEPT
        if same(p, b"server", 6):
            return SERVER
        if same(p, b"expect", 6):
            return STRANGE
    elif n == 7:
        if same(p, b"upgrade", 7):
            return STRANGE
    elif n == 10:
        if same(p, b"user-agent", 10):
            return USER_AGENT
        if same(p, b"mcp-method", 10):
            return MCP_METHOD
        if same(p, b"connection", 10):
            return CONNECTION
    elif n == 11:
        if same(p, b"traceparent", 11):
            return TRACEPARENT
    elif n == 12:
        if same(p, b"content-type", 12):
            return CONTENT_TYPE
        if same(p, b"max-forwards", 12):
            return MAX_FORWARDS
    elif n == 13:
        if same(p, b"authorization", 13):
            return AUTHORIZATION
        if same(p, b"content-range", 13):
            return CONTENT_RANGE
    elif n == 14:
        if same(p, b"x-original-uri", 14):
            return ORIGINAL_URI
        if same(p, b"content-length", 14):
            return CONTENT_LENGTH
        if same(p, b"sec-fetch-mode", 14):
            return SEC_FETCH_MODE
    elif n == 15:
        if same(p, b"x-original-host", 15):
            return ORIGINAL_HOST
        if same(p, b"x-forwarded-uri", 15):
            return FORWARDED_URI
    elif n == 16:
        if same(p, b"x-forwarded-host", 16):
            return FORWARDED_HOST
        if same(p, b"content-location", 16):
            return CONTENT_LOCATION
        if same(p, b"proxy-connection", 16):  # llhttp reads it as Connection
            return STRANGE
    elif n == 17:
        if same(p, b"x-original-method", 17):
            return ORIGINAL_METHOD
        if same(p, b"x-forwarded-proto", 17):
            return FORWARDED_PROTO
        if same(p, b"transfer-encoding", 17):
            return STRANGE
    elif n == 18:
        if same(p, b"x-forwarded-method", 18):
            return FORWARDED_METHOD
    elif n == 20:
        if same(p, b"mcp-protocol-version", 20):
            return MCP_VERSION
    elif n == 29:
        if same(p, b"access-control-request-method", 29):
            return ACCESS_CONTROL_REQUEST_METHOD
    # Sec-WebSocket-Key and all its kin.
    return STRANGE if n >= 13 and same(p, b"sec-websocket", 13) else ORDINARY
