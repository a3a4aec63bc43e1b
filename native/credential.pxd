# The bearer token of a head, as ``request.bearer_token`` finds it.

from libc.string cimport memchr

from bearerd._native.ascii cimport bearerd_sextet, to_lower
from bearerd._native.fieldnames cimport AUTHORIZATION
from bearerd._native.head cimport Head, value_of
from bearerd._native.sha256 cimport sha256_into

cdef enum:
    BEARER = 7  # bytes of the scheme and its space


cdef inline bint is_bearer(const unsigned char* p, size_t n) noexcept nogil:
    """``Bearer``, one space, and something."""
    cdef size_t i
    cdef const char* scheme = b"bearer"
    if n <= BEARER or p[6] != c' ':
        return False
    for i in range(6):
        if to_lower(p[i]) != <unsigned char>scheme[i]:
            return False
    return True


cdef inline const unsigned char* credential_of(const unsigned char* p, const Head* head, size_t* size) noexcept nogil:
    """The token; NULL where nothing could be one.  A comma makes two credentials of it, whatever it is as a token elsewhere."""
    cdef const unsigned char* text
    cdef size_t n
    if head.known[AUTHORIZATION] < 0:
        return NULL
    text = value_of(p, head, head.known[AUTHORIZATION], &n)
    if not is_bearer(text, n) or memchr(text, c',', n) != NULL:
        return NULL
    size[0] = n - BEARER
    return text + BEARER


cdef inline bint is_spelled(const unsigned char* token, size_t n) noexcept nogil:
    """Base64url and dots, as tokens and API keys are; what else there is, is malformed before it is too large."""
    cdef size_t i
    for i in range(n):
        if not bearerd_sextet[token[i]] and token[i] != c'.':
            return False
    return True


cdef inline void name_into(const unsigned char* token, size_t n, unsigned char* out32) noexcept nogil:
    """By what logs name it (``verified.token_name``): its signing input's SHA-256; all of it, where there is none."""
    cdef size_t end = n
    while end and token[end - 1] != c'.':
        end -= 1
    sha256_into(token, end - 1 if end > 1 else n, out32)
