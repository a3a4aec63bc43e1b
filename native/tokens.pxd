cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from bearerd._native.generations cimport Generations
from bearerd._native.revocations cimport Revocations

cdef enum Finding:  # as tokens.Found
    MISS
    HIT
    EXPIRED
    REVOKED
    KEYS_CHANGED
    CONFIG_CHANGED

cdef enum:
    NOBODY = 0xFFFFFFFF  # instead of an index

# 88 bytes of one token.  What it keeps besides (the probes, the record, later a prepared answer) stands in an allocation
# of its own, named by the same index.
cdef struct Token:
    unsigned char[16] digest
    double until_wall
    double until_boot
    int64_t issued_at
    uint64_t cleared  # the revocations' sequence when it was last found not revoked; 0: never
    uint32_t length  # of the token
    uint32_t next  # with the same hash, or in the list of the free
    uint32_t newer
    uint32_t older
    uint32_t used  # the list's clock when it last came to the front
    uint32_t key_generation
    uint32_t config_generation
    uint32_t record_size
    uint16_t issuer
    uint16_t answer_size  # reserved, 0: what is prepared for one (resource, rule), behind the record and with their names
    uint8_t probes

cdef struct Lookup:
    Finding found
    uint32_t index  # valid with HIT, REVOKED, KEYS_CHANGED, until the table is changed
    const unsigned char* record  # likewise; else NULL
    size_t record_size


@cython.final
cdef class TokenCache:
    cdef readonly uint64_t hits
    cdef readonly uint64_t misses
    cdef readonly uint64_t evictions
    cdef size_t most_entries
    cdef size_t most_bytes
    cdef size_t count
    cdef size_t kept  # bytes of all allocations named by an index
    cdef size_t reserved  # bytes of segments and directories

    # Records and their allocations, in segments.
    cdef Token** records
    cdef unsigned char*** blocks
    cdef size_t segments
    cdef uint32_t opened  # records ever used; from here on there are none
    cdef uint32_t free

    # Chains by hash, in segments: linear hashing, one chain split at a time.
    cdef uint32_t** heads
    cdef size_t head_segments
    cdef size_t chains
    cdef size_t low  # the power of two not above `chains`

    # From the most to the least recently used.
    cdef uint32_t newest
    cdef uint32_t oldest
    cdef uint32_t list_clock

    # `find` without Python objects.  `digest16` is keyed128 of the token.
    cdef Lookup look_up(
        self, const unsigned char* digest16, size_t length, double wall, double boot,
        Generations generations, Revocations revocations,
    ) noexcept nogil

    cdef void reset(self) noexcept nogil
    cdef Token* record(self, uint32_t index) noexcept nogil
    cdef unsigned char** block(self, uint32_t index) noexcept nogil
    cdef uint32_t* head(self, size_t chain) noexcept nogil
    cdef bint has_records(self) noexcept nogil
    cdef bint has_heads(self, size_t chains) noexcept nogil
    cdef uint32_t* chain_of(self, const unsigned char* digest16) noexcept nogil
    cdef uint32_t index_of(self, const unsigned char* digest16, size_t length) noexcept nogil
    cdef void split(self) noexcept nogil
    cdef void to_front(self, uint32_t index) noexcept nogil
    cdef void from_list(self, uint32_t index) noexcept nogil
    cdef void touch(self, uint32_t index) noexcept nogil
    cdef void remove(self, uint32_t index) noexcept nogil
    cdef uint32_t add(self, const Token* like, const unsigned char* probes, const unsigned char* record) noexcept nogil
    cdef size_t size(self) noexcept nogil
    cdef void forget(self, const unsigned char* digest16, size_t length) noexcept nogil
