"""SHA-256 (FIPS 180-4) of a few short texts a token: its name, and the keys under which it may be revoked.

To ask OpenSSL for one, by way of Python, costs more than to make it.  Names and look-up keys come from here; signatures are
checked by cryptography, with its own.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

# FIPS 180-4 section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.  Below them the
# same by x86's own instructions, six times as fast; whether there are any (CPUID leaf 7, EBX bit 29) is found at import.
cdef extern from *:
    """
    static const uint32_t bearerd_sha_k[64] __attribute__((aligned(16))) = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <cpuid.h>
    #include <immintrin.h>
    static int bearerd_sha_instructions(void) {
        unsigned int a, b, c, d;
        if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3)) return 0;
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    }
    __attribute__((target("sha,sse4.1,ssse3")))
    static void bearerd_sha_fast(uint32_t *h, const unsigned char *p, size_t blocks) {
        const __m128i turn = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);  /* big-endian words */
        __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
        __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
        for (; blocks; blocks--, p += 64) {
            const __m128i abef_before = abef, cdgh_before = cdgh;
            __m128i w[4];
            for (int i = 0; i < 4; i++)
                w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), turn);
    #pragma GCC unroll 16
            for (int i = 0; i < 16; i++) {
                __m128i *now = &w[i & 3];
                const __m128i last = w[(i + 3) & 3];
                const __m128i wk = _mm_add_epi32(*now, _mm_load_si128((const __m128i *)(bearerd_sha_k + 4 * i)));
                cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
                abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0E));
                if (i < 12)  /* the four words that are due in four steps take the place of these */
                    *now = _mm_sha256msg2_epu32(
                        _mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) & 3]), _mm_alignr_epi8(last, w[(i + 2) & 3], 4)),
                        last);
            }
            abef = _mm_add_epi32(abef, abef_before);
            cdgh = _mm_add_epi32(cdgh, cdgh_before);
        }
        h[0] = (uint32_t)_mm_extract_epi32(abef, 3), h[1] = (uint32_t)_mm_extract_epi32(abef, 2);
        h[2] = (uint32_t)_mm_extract_epi32(cdgh, 3), h[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
        h[4] = (uint32_t)_mm_extract_epi32(abef, 1), h[5] = (uint32_t)_mm_extract_epi32(abef, 0);
        h[6] = (uint32_t)_mm_extract_epi32(cdgh, 1), h[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
    }
    #else
    #define bearerd_sha_instructions() 0
    #define bearerd_sha_fast(h, p, blocks) ((void)0)
    #endif
    """
    const uint32_t* bearerd_sha_k
    bint bearerd_sha_instructions() noexcept nogil
    void bearerd_sha_fast(uint32_t* h, const unsigned char* p, size_t blocks) noexcept nogil

cdef extern from "<endian.h>" nogil:
    uint32_t be32toh(uint32_t) noexcept
    uint32_t htobe32(uint32_t) noexcept
    uint64_t htobe64(uint64_t) noexcept

# FIPS 180-4 section 5.3.3: of the square roots of the first eight primes.
cdef uint32_t[8] BEGINS = [
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
]
cdef bint instructions = bearerd_sha_instructions()


cdef inline uint32_t rotr(uint32_t x, int bits) noexcept nogil:
    return x >> bits | x << (32 - bits)


cdef void slowly(uint32_t* h, const unsigned char* p, size_t blocks) noexcept nogil:
    """Section 6.2.2, as it stands there."""
    cdef uint32_t[64] w
    cdef uint32_t[8] v
    cdef uint32_t one, other
    cdef int t
    while blocks:
        memcpy(w, p, 64)
        for t in range(16):
            w[t] = be32toh(w[t])
        for t in range(16, 64):
            one = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3
            other = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10
            w[t] = w[t - 16] + one + w[t - 7] + other
        memcpy(v, h, 32)
        for t in range(64):
            one = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) + (v[4] & v[5] ^ ~v[4] & v[6])
            one += bearerd_sha_k[t] + w[t]
            other = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) + (v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2])
            v[7], v[6], v[5], v[4] = v[6], v[5], v[4], v[3] + one
            v[3], v[2], v[1], v[0] = v[2], v[1], v[0], one + other
        for t in range(8):
            h[t] += v[t]
        p += 64
        blocks -= 1


cdef inline void take_in(uint32_t* h, const unsigned char* p, size_t blocks) noexcept nogil:
    if instructions:
        bearerd_sha_fast(h, p, blocks)
    else:
        slowly(h, p, blocks)


cdef void sha256_begin(Sha256* sha) noexcept nogil:
    memcpy(sha.state, BEGINS, 32)
    sha.size = 0


cdef void sha256_add(Sha256* sha, const unsigned char* p, size_t n) noexcept nogil:
    cdef size_t held = <size_t>(sha.size & 63)
    cdef size_t room = 64 - held
    if n == 0:
        return
    sha.size += n
    if held:
        if n < room:
            memcpy(sha.block + held, p, n)
            return
        memcpy(sha.block + held, p, room)
        take_in(sha.state, sha.block, 1)
        p += room
        n -= room
    if n >= 64:
        take_in(sha.state, p, n >> 6)
    if n & 63:
        memcpy(sha.block, p + (n & ~<size_t>63), n & 63)


cdef void sha256_end(Sha256* sha, unsigned char* out32) noexcept nogil:
    """Section 5.1.1: a one bit, zeros, and the length in bits."""
    cdef size_t held = <size_t>(sha.size & 63)
    cdef uint64_t bits = htobe64(sha.size << 3)
    cdef int i
    sha.block[held] = 0x80
    memset(sha.block + held + 1, 0, 63 - held)
    if held >= 56:
        take_in(sha.state, sha.block, 1)
        memset(sha.block, 0, 56)
    memcpy(sha.block + 56, &bits, 8)
    take_in(sha.state, sha.block, 1)
    for i in range(8):
        sha.state[i] = htobe32(sha.state[i])
    memcpy(out32, sha.state, 32)


cdef void sha256_into(const unsigned char* p, size_t n, unsigned char* out32) noexcept nogil:
    cdef Sha256 sha
    sha256_begin(&sha)
    sha256_add(&sha, p, n)
    sha256_end(&sha, out32)


INSTRUCTIONS = bool(instructions)


def sha256(bytes data not None):
    """32 bytes."""
    cdef unsigned char[32] out
    sha256_into(<const unsigned char*>PyBytes_AS_STRING(data), <size_t>PyBytes_GET_SIZE(data), out)
    return PyBytes_FromStringAndSize(<char*>out, 32)


def portable(bytes data not None):
    """The same, whatever the processor has (for the tests)."""
    global instructions
    cdef bint before = instructions
    instructions = False
    try:
        return sha256(data)
    finally:
        instructions = before
