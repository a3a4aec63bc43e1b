# 16 bytes written to `out16`.  `p` may be NULL only when `n` is 0.

# Under the secret of this process.
cdef void keyed128_into(const unsigned char* p, size_t n, unsigned char* out16) noexcept nogil
# The same of a bytes object, and its length; of the one that was last asked about from memory: a token is looked up in one table
# after another.
cdef size_t keyed128_of(bytes data, unsigned char* out16) noexcept
# Under a 16-byte key of the caller's.
cdef void siphash128_into(
    const unsigned char* key16, const unsigned char* p, size_t n, unsigned char* out16
) noexcept nogil
