from libc.stdint cimport uint32_t, uint64_t

cdef struct Sha256:
    uint32_t[8] state
    uint64_t size  # bytes so far
    unsigned char[64] block  # the last size % 64 of them

# In pieces: begin, add any number of times, end.  `p` may be NULL only when `n` is 0.
cdef void sha256_begin(Sha256* sha) noexcept nogil
cdef void sha256_add(Sha256* sha, const unsigned char* p, size_t n) noexcept nogil
cdef void sha256_end(Sha256* sha, unsigned char* out32) noexcept nogil
# At once.
cdef void sha256_into(const unsigned char* p, size_t n, unsigned char* out32) noexcept nogil
