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


cdef inline void sip_rounds(uint64_t* v, int rounds) noexcept nogil:
    cdef int i
    for i in range(rounds):
        v[0] += v[1]
        v[2] += v[3]
        v[1] = rotl(v[1], 13) ^ v[0]
        v[3] = rotl(v[3], 16) ^ v[2]
        v[0] = rotl(v[0], 32)
        v[2] += v[1]
        v[0] += v[3]
        v[1] = rotl(v[1], 17) ^ v[2]
        v[3] = rotl(v[3], 21) ^ v[0]
        v[2] = rotl(v[2], 32)


cdef inline void absorb(uint64_t* v, uint64_t word) noexcept nogil:
    v[3] ^= word
    sip_rounds(v, 2)
    v[0] ^= word


cdef void siphash128_into(
    const unsigned char* key16, const unsigned char* p, size_t n, unsigned char* out16
) noexcept nogil:
    cdef uint64_t k0 = load(key16)
    cdef uint64_t k1 = load(key16 + 8)
    cdef uint64_t[4] v
    cdef uint64_t last = <uint64_t>n << 56  # the low byte of the length ends the message
    cdef size_t whole = n & ~<size_t>7
    cdef size_t i = 0
    v[0] = k0 ^ <uint64_t>0x736F6D6570736575
    v[1] = k1 ^ <uint64_t>0x646F72616E646F6D ^ 0xEE  # 0xee: the 128-bit variant is another function
    v[2] = k0 ^ <uint64_t>0x6C7967656E657261
    v[3] = k1 ^ <uint64_t>0x7465646279746573
    while i < whole:
        absorb(v, load(p + i))
        i += 8
    while i < n:
        last |= <uint64_t>p[i] << (8 * (i - whole))
        i += 1
    absorb(v, last)
    v[2] ^= 0xEE
    sip_rounds(v, 4)
    store(out16, v[0] ^ v[1] ^ v[2] ^ v[3])
    v[1] ^= 0xDD
    sip_rounds(v, 4)
    store(out16 + 8, v[0] ^ v[1] ^ v[2] ^ v[3])


cdef void keyed128_into(const unsigned char* p, size_t n, unsigned char* out16) noexcept nogil:
    siphash128_into(secret, p, n, out16)


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
