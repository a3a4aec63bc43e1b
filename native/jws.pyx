"""Strict reading of a compact JWS (RFC 7515 section 7.1): split, base64url, duplicate members.

Two readers that disagree about one token are a hole: a gateway that takes the first ``"sub"`` and an upstream that
takes the last, or two spellings of one signature that a revocation by bytes tells apart.  So there is one accepted
spelling of everything, and a JSON text with two members of one name is no JSON text here (RFC 8725 section 2.4,
RFC 8259 section 4).
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.string cimport memchr

from bearerd._native.ascii cimport bearerd_sextet
from bearerd._native.jsontext cimport scan_text


class Malformed(ValueError):
    """The bytes are not what they must be; the text says why and quotes none of them."""


# What a character is worth at each place of its group of four; with OUTSIDE, where it is none of the alphabet.
cdef enum:
    OUTSIDE = 1 << 24

cdef uint32_t[256] FIRST, SECOND, THIRD, FOURTH


cdef void weigh() noexcept:
    cdef uint32_t sextet
    for c in range(256):
        sextet = bearerd_sextet[c]
        FIRST[c] = (sextet - 1) << 18 if sextet else <uint32_t>OUTSIDE
        SECOND[c] = (sextet - 1) << 12 if sextet else <uint32_t>OUTSIDE
        THIRD[c] = (sextet - 1) << 6 if sextet else <uint32_t>OUTSIDE
        FOURTH[c] = sextet - 1 if sextet else <uint32_t>OUTSIDE


weigh()


cdef inline size_t base64url_room(size_t n) noexcept nogil:
    """Bytes that ``n`` characters without padding stand for (rounded down)."""
    return n // 4 * 3 + (n % 4) * 3 // 4


cdef Py_ssize_t base64url_into(const unsigned char* p, size_t n, unsigned char* out) noexcept nogil:
    cdef size_t i = 0, length = 0
    cdef size_t tail = n % 4
    cdef uint32_t a, b, c, word, seen = 0
    while i + 4 <= n:
        word = FIRST[p[i]] | SECOND[p[i + 1]] | THIRD[p[i + 2]] | FOURTH[p[i + 3]]
        seen |= word
        out[length] = <unsigned char>(word >> 16)
        out[length + 1] = <unsigned char>(word >> 8)
        out[length + 2] = <unsigned char>word
        length += 3
        i += 4
    if seen & OUTSIDE:
        return -1
    if tail == 0:
        return <Py_ssize_t>length
    if tail == 1:  # six bits are no byte
        return -1
    a = bearerd_sextet[p[i]]
    b = bearerd_sextet[p[i + 1]]
    c = bearerd_sextet[p[i + 2]] if tail == 3 else 1
    if a == 0 or b == 0 or c == 0:
        return -1
    word = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6
    # Left-over bits must be zero, or one signature would have several spellings (RFC 4648 section 3.5).
    if word & (0xFFFF if tail == 2 else 0xFF):
        return -1
    out[length] = <unsigned char>(word >> 16)
    if tail == 3:
        out[length + 1] = <unsigned char>(word >> 8)
    return <Py_ssize_t>(length + tail - 1)


@cython.final
cdef class Compact:
    """A split token.  Header and payload are decoded bytes; both are JSON objects without duplicate members."""

    def __cinit__(self):
        self.header = self.payload = self.signature = self.signing_input = b""


cdef bytes decode(const unsigned char* p, size_t n, str what):
    cdef size_t room = base64url_room(n)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>room)
    if base64url_into(p, n, <unsigned char*>PyBytes_AS_STRING(out)) != <Py_ssize_t>room:
        raise Malformed(f"{what} is not canonical base64url")
    return out


cdef int check(bytes text, Py_ssize_t max_depth, Py_ssize_t max_members, str what) except -1:
    cdef const char* fault = scan_text(
        <const unsigned char*>PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text), max_depth, max_members
    )
    if fault != NULL and fault[0] == 0:
        raise MemoryError
    if fault != NULL:
        raise Malformed(f"{what}: {fault.decode()}" if what else fault.decode())
    return 0


cdef Compact read(bytes token, Py_ssize_t max_depth, Py_ssize_t max_members, bint claims):
    cdef const unsigned char* p = <const unsigned char*>PyBytes_AS_STRING(token)
    cdef size_t n = <size_t>PyBytes_GET_SIZE(token)
    cdef size_t[4] dots
    cdef size_t count = find_dots(p, n, dots)
    cdef Compact out
    if count != 2:
        raise Malformed("a JWE (five segments), not a JWS" if count == 4 else "not three segments")
    if dots[0] == 0 or dots[1] + 1 == n or (claims and dots[1] == dots[0] + 1):
        raise Malformed("an empty segment")
    out = Compact()
    out.header = decode(p, dots[0], "the header")
    check(out.header, max_depth, max_members, "the header")
    out.payload = decode(p + dots[0] + 1, dots[1] - dots[0] - 1, "the payload")
    if claims:
        check(out.payload, max_depth, max_members, "the payload")
    out.signature = decode(p + dots[1] + 1, n - dots[1] - 1, "the signature")
    out.signing_input = PyBytes_FromStringAndSize(<const char*>p, <Py_ssize_t>dots[1])
    return out


cdef size_t find_dots(const unsigned char* p, size_t n, size_t* dots) noexcept nogil:
    """Offsets of the first four dots; how many there are, where 5 stands for more than four."""
    cdef size_t count = 0, i = 0
    cdef const unsigned char* dot
    while i < n:
        dot = <const unsigned char*>memchr(p + i, c'.', n - i)
        if dot == NULL:
            break
        if count == 4:
            return 5
        i = <size_t>(dot - p)
        dots[count] = i
        count += 1
        i += 1
    return count


cdef Compact split_token(bytes token, Py_ssize_t max_depth, Py_ssize_t max_members):
    return read(token, max_depth, max_members, True)


def split(bytes token not None, Py_ssize_t max_depth, Py_ssize_t max_members):
    """Split a token whose payload is a JSON object (a JWT).

    Exactly three non-empty segments of canonical base64url without padding (an empty signature is malformed); a JWE
    (five segments) is refused without decoding.  Both JSON texts are scanned: UTF-8, an object at the top, no duplicate
    member name in any object once escapes are decoded, depth (the top object is 1; never beyond 1024) and members (all
    in all) within the limits.  Raises Malformed.  The length cap is the caller's (before this call).
    """
    return split_token(token, max_depth, max_members)


def split_any(bytes token not None, Py_ssize_t max_depth, Py_ssize_t max_members):
    """As ``split``, but the payload may be any bytes, also none (RFC 7515 without JWT)."""
    return read(token, max_depth, max_members, False)


def scan(bytes text not None, Py_ssize_t max_depth, Py_ssize_t max_members):
    """Scan one JSON text as ``split`` does.  Raises Malformed.  (orjson validates the grammar afterwards.)"""
    check(text, max_depth, max_members, "")


def b64decode(bytes text not None):
    """Strict canonical base64url without padding (RFC 7515 section 2, RFC 4648 section 3.5).  Raises Malformed."""
    return decode(<const unsigned char*>PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text), "the text")
