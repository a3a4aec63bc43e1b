"""A keyed 128-bit digest (SipHash-2-4-128) of token bytes under a secret of this process.

SipHash is a pseudo-random function: without the secret nobody can choose two inputs with one digest, so a digest may
stand for the exact bytes of a token in a table that strangers fill.  (Aumasson, Bernstein: "SipHash: a fast short-input
PRF", 2012; the 128-bit output is the variant of the authors' reference code.)
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EINTR, errno
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "<endian.h>" nogil:
    uint64_t le64toh(uint64_t) noexcept
    uint64_t htole64(uint64_t) noexcept

cdef extern from "<sys/random.h>" nogil:
    ssize_t getrandom(void* buffer, size_t n, unsigned int flags) noexcept

# Drawn once at import.  A child made by fork keeps it, as it keeps the tables that were filled under it.
cdef unsigned char[16] secret


cdef inline uint64_t load(const unsigned char* p) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, p, 8)
    return le64toh(word)


cdef inline void store(unsigned char* p, uint64_t word) noexcept nogil:
    word = htole64(word)
    memcpy(p, &word, 8)


cdef inline uint64_t rotl(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline void sip_round(uint64_t* a, uint64_t* b, uint64_t* c, uint64_t* d) noexcept nogil:
    """On four variables of the caller's, which inlining leaves in registers: an array would live in memory."""
    a[0] += b[0]
    c[0] += d[0]
    b[0] = rotl(b[0], 13) ^ a[0]
    d[0] = rotl(d[0], 16) ^ c[0]
    a[0] = rotl(a[0], 32)
    c[0] += b[0]
    a[0] += d[0]
    b[0] = rotl(b[0], 17) ^ c[0]
    d[0] = rotl(d[0], 21) ^ a[0]
    c[0] = rotl(c[0], 32)


cdef void siphash128_into(
    const unsigned char* key16, const unsigned char* p, size_t n, unsigned char* out16
) noexcept nogil:
    cdef uint64_t k0 = load(key16)
    cdef uint64_t k1 = load(key16 + 8)
    cdef uint64_t a = k0 ^ <uint64_t>0x736F6D6570736575
    cdef uint64_t b = k1 ^ <uint64_t>0x646F72616E646F6D ^ 0xEE  # 0xee: the 128-bit variant is another function
    cdef uint64_t c = k0 ^ <uint64_t>0x6C7967656E657261
    cdef uint64_t d = k1 ^ <uint64_t>0x7465646279746573
    cdef uint64_t last = <uint64_t>n << 56  # the low byte of the length ends the message
    cdef uint64_t word
    cdef size_t whole = n & ~<size_t>7
    cdef size_t i
    for i in range(whole, n):
        last |= <uint64_t>p[i] << (8 * (i - whole))
    i = 0
    while i <= whole:
        word = load(p + i) if i < whole else last
        d ^= word
        sip_round(&a, &b, &c, &d)
        sip_round(&a, &b, &c, &d)
        a ^= word
        i += 8
    c ^= 0xEE
    for i in range(4):
        sip_round(&a, &b, &c, &d)
    store(out16, a ^ b ^ c ^ d)
    b ^= 0xDD
    for i in range(4):
        sip_round(&a, &b, &c, &d)
    store(out16 + 8, a ^ b ^ c ^ d)


cdef void keyed128_into(const unsigned char* p, size_t n, unsigned char* out16) noexcept nogil:
    siphash128_into(secret, p, n, out16)


cdef bytes last = b""
cdef unsigned char[16] digest_of_last


cdef size_t keyed128_of(bytes data, unsigned char* out16) noexcept:
    """Bytes do not change: the same object has the same digest, as long as it is held here."""
    global last
    cdef size_t length = <size_t>PyBytes_GET_SIZE(data)
    if data is not last:
        keyed128_into(<const unsigned char*>PyBytes_AS_STRING(data), length, digest_of_last)
        last = data
    memcpy(out16, digest_of_last, 16)
    return length


def keyed128(bytes data not None):
    """16 bytes; the secret is drawn at import and never leaves the process."""
    cdef unsigned char[16] out
    keyed128_into(<const unsigned char*>PyBytes_AS_STRING(data), <size_t>PyBytes_GET_SIZE(data), out)
    return PyBytes_FromStringAndSize(<char*>out, 16)


def siphash128(bytes key not None, bytes data not None):
    """SipHash-2-4 with 128-bit output under a 16-byte key (for the published test vectors)."""
    cdef unsigned char[16] out
    if PyBytes_GET_SIZE(key) != 16:
        raise ValueError("the key must have 16 bytes")
    siphash128_into(
        <const unsigned char*>PyBytes_AS_STRING(key),
        <const unsigned char*>PyBytes_AS_STRING(data),
        <size_t>PyBytes_GET_SIZE(data),
        out,
    )
    return PyBytes_FromStringAndSize(<char*>out, 16)


cdef int draw_secret() except -1:
    """Without a secret there is no digest: the import fails."""
    cdef ssize_t got
    while True:
        got = getrandom(secret, sizeof(secret), 0)
        if got == <ssize_t>sizeof(secret):  # requests up to 256 bytes are never cut short once the pool is ready
            return 0
        if got < 0 and errno != EINTR:
            PyErr_SetFromErrno(OSError)


draw_secret()
keyed128_into(NULL, 0, digest_of_last)
