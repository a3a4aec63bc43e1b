"""The heads that the lane answers itself: which bytes are one, and where in it everything stands.

A head is COMPLETE only where nothing is left to interpret: aiohttp's parser finds the same method, target and fields in the
same bytes, no body, and the next request behind them (tests/native/test_head_oracle.py holds it to that).  Whatever is
malformed, rare, near a limit or means something to aiohttp is NOT_MINE, and said to be as soon as that is sure: who
answers it, and how long it may take to arrive, is aiohttp's affair.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcmp

from bearerd._native.ascii cimport is_space, is_target, is_token
from bearerd._native.fieldnames cimport (
    CONNECTION, CONTENT_LENGTH, HOST, KNOWN, ORDINARY, STRANGE, TWICE_ALLOWED, bit, each, load, name_of, same,
)
from bearerd._native.path cimport name_length

cdef extern from "<string.h>" nogil:
    const void* memrchr(const void* text, int byte, size_t n) noexcept

cdef enum:
    CR = 13
    LF = 10
    OPENING = 128  # bytes within which method, face and NAME are told (8 + 11 + 63 + 1 at most)
    BLOCK = 64

# What llhttp knows and gateways send; each with the space behind it.
cdef (const char*)[7] METHODS = [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS "]
cdef size_t[7] METHOD_LENGTHS = [4, 5, 5, 4, 6, 7, 8]

cdef const char* VERSION = b" HTTP/1.1"
cdef enum:
    VERSION_LENGTH = 9
    HEAD_METHOD = 1
    METHOD_COUNT = 7

cdef const char* AUTH_PREFIX = b"/auth/"
cdef const char* EXT_AUTHZ_PREFIX = b"/ext_authz/"
cdef enum:
    BARE = 5  # of it, without the slash
    AUTH_PREFIX_LENGTH = 6
    EXT_AUTHZ_PREFIX_LENGTH = 11


cdef inline uint64_t controls(uint64_t word) noexcept nogil:
    """Not 0 where one of eight bytes is a control other than HTAB."""
    cdef uint64_t low = word & each(0x7F)  # no sum of these carries into the next byte
    cdef uint64_t below_space = ~((low + each(0x60)) | word)
    cdef uint64_t no_tab = (low ^ each(0x09)) + each(0x7F)
    cdef uint64_t delete = (low + each(0x01)) & ~word
    return (below_space & no_tab | delete) & each(0x80)


cdef inline bint has_control(const unsigned char* p, size_t n) noexcept nogil:
    """A control other than HTAB."""
    cdef int i
    cdef unsigned char in_block = 0
    cdef uint64_t found = 0
    cdef const unsigned char* end = p + n
    # Whole blocks without a branch in them: the compiler makes vectors of these.
    while end - p >= BLOCK:
        for i in range(BLOCK):
            in_block |= <unsigned char>((p[i] < 0x20) & (p[i] != 0x09)) | <unsigned char>(p[i] == 0x7F)
        p += BLOCK
    while end - p >= 8:
        found |= controls(load(p))
        p += 8
    if n >= 8:
        found |= controls(load(end - 8))  # some of it once more
    else:
        while p < end:
            in_block |= <unsigned char>((p[0] < 0x20) & (p[0] != 0x09)) | <unsigned char>(p[0] == 0x7F)
            p += 1
    return in_block != 0 or found != 0


cdef inline bint agrees(const unsigned char* p, size_t n, const char* text, size_t length) noexcept nogil:
    """Whether the first ``n`` bytes begin with ``text``, or may yet do so once there are more of them."""
    return memcmp(p, text, n if n < length else length) == 0


cdef inline Span span(size_t start, size_t end) noexcept nogil:
    cdef Span made
    made.at = <uint32_t>start
    made.length = <uint32_t>(end - start)
    return made


KNOWN_NAMES = (  # by fieldnames.Name
    "host",
    "authorization",
    "x-original-method",
    "x-original-uri",
    "x-original-host",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-host",
    "x-forwarded-proto",
    "traceparent",
    "origin",
    "access-control-request-method",
    "accept",
    "sec-fetch-mode",
    "mcp-method", "mcp-name", "mcp-protocol-version",
)

# ---- The request line ----


cdef inline size_t target_end(const unsigned char* p, size_t at, size_t end) noexcept nogil:
    while at < end and is_target(p[at]):
        at += 1
    return at


cdef int opening(const unsigned char* p, size_t n, Head* head) noexcept nogil:
    """METHOD, the face's prefix, NAME (``/auth`` needs none) and the byte behind it; MORE where it may still become these."""
    cdef size_t start = method_end(p, n, head)
    cdef size_t end = n if n < OPENING else OPENING
    cdef const char* prefix = AUTH_PREFIX
    cdef size_t length = AUTH_PREFIX_LENGTH
    if start == 0 or n <= start:
        return MORE if start > 0 else NOT_MINE
    head.face = AUTH
    if n - start > BARE and memcmp(p + start, prefix, BARE) == 0 and (p[start + BARE] == c' ' or p[start + BARE] == c'?'):
        head.name = span(start + BARE, start + BARE)
        return COMPLETE
    if not agrees(p + start, n - start, prefix, length):
        head.face = EXT_AUTHZ
        prefix = EXT_AUTHZ_PREFIX
        length = EXT_AUTHZ_PREFIX_LENGTH
        if not agrees(p + start, n - start, prefix, length):
            return NOT_MINE
    if n <= start + length:
        return MORE
    end = target_end(p, start, end)
    head.name.at = <uint32_t>(start + length)
    head.name.length = <uint32_t>name_length(p + start, end - start, <const unsigned char*>prefix, length)
    if head.name.length == 0:
        return NOT_MINE
    end = head.name.at + head.name.length
    if end == n:
        return MORE
    if p[end] == c' ' or p[end] == c'?' or (p[end] == c'/' and head.face == EXT_AUTHZ):
        return COMPLETE
    return NOT_MINE


cdef inline size_t method_end(const unsigned char* p, size_t n, Head* head) noexcept nogil:
    """Where the target begins, or will begin; 0 if that is no method of ours."""
    cdef int i
    for i in range(METHOD_COUNT):
        if agrees(p, n, METHODS[i], METHOD_LENGTHS[i]):
            head.method = span(0, METHOD_LENGTHS[i] - 1)
            head.is_head = i == HEAD_METHOD
            return METHOD_LENGTHS[i]
    return 0


cdef int request_line(const unsigned char* p, size_t end, Head* head) noexcept nogil:
    """The line ``[0, end)``; COMPLETE or NOT_MINE."""
    cdef size_t start, stop
    if opening(p, end, head) != COMPLETE:
        return NOT_MINE
    start = head.name.at + head.name.length
    stop = target_end(p, start, end)
    if end - stop != VERSION_LENGTH or memcmp(p + stop, VERSION, VERSION_LENGTH) != 0:
        return NOT_MINE
    head.rest = span(start, stop)
    head.target = span(head.method.length + 1, stop)
    return COMPLETE


# ---- Fields ----


cdef int field_line(const unsigned char* p, size_t start, size_t end, Head* head) noexcept nogil:
    """The line ``[start, end)``; COMPLETE or NOT_MINE."""
    cdef size_t colon = start
    cdef size_t value
    cdef Field* field = &head.field[head.fields]
    while colon < end and is_token(p[colon]):
        colon += 1
    if colon == start or colon == end or p[colon] != c':' or head.fields == MOST_FIELDS:
        return NOT_MINE
    if has_control(p + colon, end - colon):
        return NOT_MINE
    value = colon + 1
    while value < end and is_space(p[value]):
        value += 1
    field.name = span(start, colon)
    field.value = span(value, trimmed(p, value, end))
    head.fields += 1
    return understood(p, end, field, head)


cdef inline size_t trimmed(const unsigned char* p, size_t start, size_t end) noexcept nogil:
    while end > start and is_space(p[end - 1]):
        end -= 1
    return end


cdef int understood(const unsigned char* p, size_t end, const Field* field, Head* head) noexcept nogil:
    """What the field means to aiohttp and to the faces; NOT_MINE where it is more than we do."""
    cdef const unsigned char* value = p + field.value.at
    cdef size_t length = field.value.length
    cdef int name = name_of(p + field.name.at, field.name.length)
    if name == ORDINARY:
        return COMPLETE
    if name == STRANGE:
        return NOT_MINE
    if head.seen & bit(name):
        head.twice |= bit(name)
        return COMPLETE if bit(name) & TWICE_ALLOWED else NOT_MINE
    head.seen |= bit(name)
    if name < KNOWN:
        head.known[name] = <int>(head.fields - 1)
        return COMPLETE if name != HOST or is_plain_host(value, length) else NOT_MINE
    if name == CONNECTION:
        head.close = length == 5 and same(value, b"close", 5)
        if not head.close and not (length == 10 and same(value, b"keep-alive", 10)):
            return NOT_MINE
    elif name == CONTENT_LENGTH and (length != 1 or value[0] != c'0'):
        return NOT_MINE
    # White space behind these two is read by rules of llhttp's own.
    if name == CONNECTION or name == CONTENT_LENGTH:
        return COMPLETE if field.value.at + length == end else NOT_MINE
    return COMPLETE


cdef bint is_plain_host(const unsigned char* p, size_t n) noexcept nogil:
    """Something, and nothing that the faces would read as text."""
    cdef size_t i
    for i in range(n):
        if p[i] >= 0x80:
            return False
    return n > 0


# ---- Heads ----


cdef inline void begin(Head* head) noexcept nogil:
    cdef int i
    head.size = head.fields = head.seen = head.twice = 0
    head.close = False
    for i in range(KNOWN):
        head.known[i] = -1


cdef inline size_t line_start(const unsigned char* p, size_t at) noexcept nogil:
    """Where the line begins in which ``at`` is.  Backwards, but in vectors, and no further than a line may be long."""
    cdef const unsigned char* found = <const unsigned char*>memrchr(p, LF, at)
    return 0 if found == NULL else <size_t>(found - p) + 1


cdef int line_end(const unsigned char* p, size_t length, size_t* looked) noexcept nogil:
    """Move ``looked`` to the CR of the next CR LF.

    MORE: there is none yet, and what is behind ``looked`` is to be looked at again.  NOT_MINE: a control may not stand alone.
    """
    cdef const unsigned char* found = <const unsigned char*>memchr(p + looked[0], CR, length - looked[0])
    cdef size_t end
    if found == NULL:
        if has_control(p + looked[0], length - looked[0]):
            return NOT_MINE
        looked[0] = length
        return MORE
    end = <size_t>(found - p)
    if end + 1 == length:
        if has_control(p + looked[0], end - looked[0]):
            return NOT_MINE
        looked[0] = end
        return MORE
    looked[0] = end
    return COMPLETE if p[end + 1] == LF else NOT_MINE


cdef int finish(size_t end, size_t length, const HeadLimits* limits, Head* head) noexcept nogil:
    """Every line was read: is it a request, and well within the limits?"""
    # aiohttp has no answer to a request behind which there is one more after it said that there would be none.
    if head.known[HOST] < 0 or (head.close and end != length):
        return NOT_MINE
    # faces/server.py counts four bytes beside name and value of a field, also where there are three.
    if head.fields > limits.max_headers or end + head.fields > limits.max_head_bytes:
        return NOT_MINE
    head.size = <uint32_t>end
    return COMPLETE


cdef int lines(
    const unsigned char* p, size_t length, size_t* looked, const HeadLimits* limits, Head* head
) noexcept nogil:
    """Read every line that ends behind ``looked``: all of the head, if that was 0.  Leaves ``looked`` behind the head's end."""
    cdef size_t start = line_start(p, looked[0])
    cdef int verdict
    begin(head)
    while True:
        verdict = line_end(p, length, looked)
        if looked[0] >= limits.max_head_bytes or looked[0] - start >= limits.max_header_bytes:
            return NOT_MINE
        if verdict != COMPLETE:
            return verdict
        if start == 0:
            verdict = request_line(p, looked[0], head)
        elif start != looked[0]:
            verdict = field_line(p, start, looked[0], head)
        else:
            looked[0] += 2
            return COMPLETE
        if verdict != COMPLETE:
            return verdict
        start = looked[0] + 2
        looked[0] = start


cdef inline bint may_open(const unsigned char* p, size_t length) noexcept nogil:
    """Whether a request line that has not ended may become one of ours."""
    cdef Head head
    return memchr(p, LF, length if length < OPENING else OPENING) != NULL or opening(p, length, &head) != NOT_MINE


cdef int recognise(
    const unsigned char* p, size_t length, size_t* searched, const HeadLimits* limits, Head* head
) noexcept nogil:
    cdef size_t looked = searched[0] if searched[0] <= length else 0
    cdef bint anew = looked == 0
    cdef bint opened = looked >= OPENING
    cdef int verdict = lines(p, length, &looked, limits, head)
    if verdict == MORE and not opened and not may_open(p, length):
        verdict = NOT_MINE
    if verdict == COMPLETE and not anew:
        # The lines were read as they came, so that a bad one is seen at once.  Now together: that is twice in all.
        looked = 0
        verdict = lines(p, length, &looked, limits, head)
    if verdict == COMPLETE:
        verdict = finish(looked, length, limits, head)
    searched[0] = looked if verdict == MORE else 0
    return verdict


# ---- For Python: tests and tools ----


@cython.final
cdef class Whole:
    """A head that was recognised."""

    cdef readonly str face
    cdef readonly bytes method, target, name, rest
    cdef readonly tuple fields
    cdef readonly dict known
    cdef readonly frozenset twice
    cdef readonly bint close, is_head
    cdef readonly int size


cdef bytes cut(bytes data, Span found):
    return data[found.at : found.at + found.length]


cdef Whole whole(bytes data, const Head* head):
    cdef Whole made = Whole.__new__(Whole)
    cdef uint32_t i
    made.face = "auth" if head.face == AUTH else "ext_authz"
    made.method, made.target = cut(data, head.method), cut(data, head.target)
    made.name, made.rest = cut(data, head.name), cut(data, head.rest)
    made.fields = tuple([(cut(data, head.field[i].name), cut(data, head.field[i].value)) for i in range(head.fields)])
    made.known = {word: head.known[i] for i, word in enumerate(KNOWN_NAMES) if head.known[i] >= 0}
    made.twice = frozenset([word for i, word in enumerate(KNOWN_NAMES) if head.twice & bit(i)])
    made.close, made.is_head, made.size = head.close, head.is_head, <int>head.size
    return made


def read(
    bytes data not None,
    size_t searched=0,
    *,
    uint32_t max_header_bytes=32 * 1024,
    uint32_t max_head_bytes=64 * 1024,
    uint32_t max_headers=100,
):
    """The first head in ``data``: whole, None where it is not ours, or, where more is needed, what to pass as ``searched``
    with these bytes and more."""
    cdef HeadLimits limits
    cdef Head head
    cdef int verdict
    limits.max_header_bytes = max_header_bytes
    limits.max_head_bytes = max_head_bytes
    limits.max_headers = max_headers
    verdict = recognise(
        <const unsigned char*>PyBytes_AS_STRING(data), <size_t>PyBytes_GET_SIZE(data), &searched, &limits, &head
    )
    if verdict == COMPLETE:
        return whole(data, &head)
    return searched if verdict == MORE else None
