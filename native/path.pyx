"""The one path normaliser (contracts, section 2, Paths).

A rule is only as good as the agreement between bearerd and the upstream on what a path means.  So nothing is repaired
here: whatever two servers are known to read differently (dot segments, doubled slashes, encoded delimiters, path
parameters, a second decoding) is ambiguous, and the caller refuses it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcmp

from bearerd._native.ascii cimport is_control, is_digit, is_lower, percent_value, utf8_length

cdef enum:
    MAX_NAME = 63

cdef const unsigned char* ACCESS_TOKEN = b"access_token"
cdef enum:
    ACCESS_TOKEN_LENGTH = 12


cdef inline size_t query_start(const unsigned char* target, size_t n) noexcept nogil:
    """Offset of the first raw ``?``, or ``n``."""
    cdef const unsigned char* mark = <const unsigned char*>memchr(target, c'?', n) if n else NULL
    return n if mark == NULL else <size_t>(mark - target)


cdef inline bint is_delimiter(unsigned char c) noexcept nogil:
    """Bytes that some server, framework or proxy gives a meaning of its own inside a path."""
    return c == c'\\' or c == c';' or c == c'#' or c == c'?' or is_control(c)


cdef inline bint ends_in_dots(const unsigned char* out, size_t start, size_t end) noexcept nogil:
    """Whether the segment ``[start, end)`` is ``.`` or ``..``."""
    cdef size_t length = end - start
    if length == 0 or length > 2 or out[start] != c'.':
        return False
    return length == 1 or out[start + 1] == c'.'


cdef bint is_clean_text(const unsigned char* p, size_t n) noexcept nogil:
    """Valid UTF-8 without the controls U+0080 to U+009F (the ASCII ones were seen before)."""
    cdef size_t i = 0
    cdef size_t length
    while i < n:
        length = utf8_length(p + i, n - i)
        if length == 0 or (p[i] == 0xC2 and p[i + 1] < 0xA0):
            return False
        i += length
    return True


cdef Py_ssize_t normalise_into(const unsigned char* target, size_t n, unsigned char* out) noexcept nogil:
    cdef size_t end = query_start(target, n)
    cdef size_t i = 1
    cdef size_t length = 1  # bytes written
    cdef size_t segment = 1  # where the current segment begins in `out`
    cdef bint ascii_only = True
    cdef unsigned char c
    cdef int value
    if end == 0 or target[0] != c'/':
        return -1
    out[0] = c'/'
    while i < end:
        c = target[i]
        if c == c'/':
            if length == segment or ends_in_dots(out, segment, length):
                return -1
            segment = length + 1
            i += 1
        elif c == c'%':
            value = percent_value(target + i, end - i)
            if value < 0:
                return -1
            c = <unsigned char>value
            # An encoded delimiter is decoded by some servers before they split and by others after; `%` would be
            # decoded twice by a second hand.
            if c == c'/' or c == c'.' or c == c'%' or is_delimiter(c):
                return -1
            i += 3
        else:
            if c == c' ' or is_delimiter(c):
                return -1
            i += 1
        if c >= 0x80:
            ascii_only = False
        out[length] = c
        length += 1
    if ends_in_dots(out, segment, length):
        return -1
    if not ascii_only and not is_clean_text(out, length):
        return -1
    return <Py_ssize_t>length


cdef bint names_access_token(const unsigned char* target, size_t n) noexcept nogil:
    cdef size_t i = query_start(target, n) + 1
    cdef Py_ssize_t matched = 0  # how much of the name agrees so far; -1 once it does not, or inside a value
    cdef unsigned char c
    cdef int value
    while i < n:
        c = target[i]
        # `#` has no business in a target; whoever cuts there sees the name end there.
        if c == c'&' or c == c';' or c == c'#' or c == c'=':
            if matched == ACCESS_TOKEN_LENGTH:
                return True
            matched = -1 if c == c'=' else 0
            i += 1
            continue
        value = percent_value(target + i, n - i)
        if value < 0:
            i += 1
        else:
            c = <unsigned char>value
            i += 3
        if 0 <= matched < ACCESS_TOKEN_LENGTH and c == ACCESS_TOKEN[matched]:
            matched += 1
        else:
            matched = -1
    return matched == ACCESS_TOKEN_LENGTH


cdef inline bint is_name_byte(unsigned char c, bint first) noexcept nogil:
    return is_lower(c) or is_digit(c) or (not first and (c == c'_' or c == c'-'))


cdef size_t name_length(
    const unsigned char* target, size_t n, const unsigned char* prefix, size_t prefix_length
) noexcept nogil:
    cdef size_t i = prefix_length
    cdef size_t length
    if n < prefix_length or memcmp(target, prefix, prefix_length) != 0:
        return 0
    while i < n and is_name_byte(target[i], i == prefix_length):
        i += 1
    length = i - prefix_length
    if length > MAX_NAME or (i < n and target[i] != c'/' and target[i] != c'?'):
        return 0
    return length


cdef inline const unsigned char* data(bytes text) noexcept:
    return <const unsigned char*>PyBytes_AS_STRING(text)


def normalise(bytes target not None):
    """The path of an origin-form target: cut at the first raw ``?``, escapes decoded once, valid UTF-8.

    None where it is ambiguous: dot segments, ``//``, a backslash, ``;``, ``#``, a control, a space, an encoded one of
    ``/ \\ . ; % ? #`` or of a control, a bad percent, not UTF-8, not beginning with ``/``.  Controls are U+0000 to
    U+001F and U+007F to U+009F.
    """
    cdef size_t n = <size_t>PyBytes_GET_SIZE(target)
    cdef size_t end = query_start(data(target), n)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>end)
    cdef Py_ssize_t length = -1
    if end > 0:  # the empty bytes object is shared: not ours to write to
        length = normalise_into(data(target), end, <unsigned char*>PyBytes_AS_STRING(out))
    if length < 0:
        return None
    # Nothing was decoded: the object is whole.  Else a copy of the right length.
    return out if <size_t>length == end else PyBytes_FromStringAndSize(PyBytes_AS_STRING(out), length)


def query_has_access_token(bytes target not None):
    """Whether a query parameter is named ``access_token`` (case-sensitive, its name percent-decoded once)."""
    return names_access_token(data(target), <size_t>PyBytes_GET_SIZE(target))


def resource_name(bytes target not None, bytes prefix not None):
    """NAME of ``prefix NAME``, ``prefix NAME/…`` or ``prefix NAME?…`` in an origin-form target, matched on raw bytes.

    None unless NAME matches ``[a-z0-9][a-z0-9_-]{0,62}`` exactly (lane and aiohttp share this function).
    """
    cdef size_t start = <size_t>PyBytes_GET_SIZE(prefix)
    cdef size_t length = name_length(data(target), <size_t>PyBytes_GET_SIZE(target), data(prefix), start)
    return None if length == 0 else PyBytes_FromStringAndSize(PyBytes_AS_STRING(target) + start, <Py_ssize_t>length)
