# Records of tokens without pointers, found by digest, in the order of their use.  See shelf.pyx for the plan.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    NOBODY = 0xFFFFFFFF  # instead of an index
    RECORDS_BITS = 8
    RECORDS = 1 << RECORDS_BITS  # of a segment
    HEADS_BITS = 10
    HEADS = 1 << HEADS_BITS  # chains of a segment
    PROBE = 16  # bytes
    FRESH_SHARE = 8  # see `shelf_touch`
    MOST_ANSWERS = 16  # of a token: the routes that it is used at by turns
    MOST_ANSWERED = 1 << 16  # bytes of all of them
    OVERHEAD = 88 + 8 + 4  # what a token costs besides its allocation: the record, the allocation's address, one chain

# 88 bytes of one token.  What it keeps besides (the probes, the record, prepared answers) stands in an allocation of its
# own, named by the same index.
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
    uint32_t used  # the shelf's clock when it last came to the front
    uint32_t key_generation
    uint32_t config_generation
    uint32_t record_size
    uint32_t answers_size  # of all that is prepared, behind the record, the oldest first; 0: nothing is
    uint16_t issuer
    uint8_t probes

# What heads a prepared answer: for which route, from when and until when (seconds) it may be given.  Behind it stand `words` words of a
# mask, a bit for each rule under which this very text was decided (bit 0: under none), and the text.
cdef struct Answer:
    double since_wall
    double until_wall
    double until_boot
    uint32_t route
    uint16_t words
    uint16_t size  # of the text

cdef struct Shelf:
    size_t most_entries
    size_t most_bytes
    size_t count
    size_t kept  # bytes of all allocations named by an index
    size_t reserved  # bytes of segments and directories
    uint64_t evictions

    # Records and their allocations, in segments.
    Token** records
    unsigned char*** blocks
    size_t segments
    uint32_t opened  # records ever used; from here on there are none
    uint32_t vacant  # the first of the list of the free

    # Chains by hash, in segments.
    uint32_t** heads
    size_t head_segments
    size_t chains
    size_t low  # the power of two not above `chains`

    # From the most to the least recently used.
    uint32_t newest
    uint32_t oldest
    uint32_t clock  # how often something came to the front


cdef inline Token* shelf_record(const Shelf* shelf, uint32_t index) noexcept nogil:
    return shelf.records[index >> RECORDS_BITS] + (index & (RECORDS - 1))


cdef inline unsigned char** shelf_block(const Shelf* shelf, uint32_t index) noexcept nogil:
    """The probes, then the record."""
    return shelf.blocks[index >> RECORDS_BITS] + (index & (RECORDS - 1))


cdef inline size_t aligned(size_t size) noexcept nogil:
    return (size + 7) & ~<size_t>7


cdef inline size_t answers_offset(const Token* token) noexcept nogil:
    """Where in a token's allocation its prepared answers begin."""
    return aligned(PROBE * <size_t>token.probes + token.record_size)


cdef inline size_t span_of(const Answer* answer) noexcept nogil:
    """From an answer to the next."""
    return aligned(sizeof(Answer) + 8 * <size_t>answer.words + answer.size)


cdef inline Answer* shelf_answer(const Shelf* shelf, uint32_t index, uint32_t route) noexcept nogil:
    """What is prepared for a token under a route, or NULL."""
    cdef const Token* token = shelf_record(shelf, index)
    cdef unsigned char* at = shelf_block(shelf, index)[0] + answers_offset(token)
    cdef unsigned char* end = at + token.answers_size
    while at < end:
        if (<Answer*>at).route == route:
            return <Answer*>at
        at += span_of(<Answer*>at)
    return NULL


cdef inline uint32_t* shelf_head(const Shelf* shelf, size_t chain) noexcept nogil:
    return shelf.heads[chain >> HEADS_BITS] + (chain & (HEADS - 1))


cdef inline uint32_t* shelf_chain(const Shelf* shelf, const unsigned char* digest16) noexcept nogil:
    cdef uint64_t hashed
    cdef size_t chain
    memcpy(&hashed, digest16, 8)
    chain = <size_t>hashed & (2 * shelf.low - 1)
    return shelf_head(shelf, chain if chain < shelf.chains else chain & (shelf.low - 1))


cdef inline uint32_t shelf_find(const Shelf* shelf, const unsigned char* digest16, size_t length) noexcept nogil:
    """The index of a token, or NOBODY."""
    cdef uint32_t index = shelf_chain(shelf, digest16)[0]
    cdef const Token* token
    while index != <uint32_t>NOBODY:
        token = shelf_record(shelf, index)
        if memcmp(token.digest, digest16, 16) == 0 and token.length == length:
            break
        index = token.next
    return index


cdef inline void shelf_touch(Shelf* shelf, uint32_t index) noexcept nogil:
    """To the front, unless it is among the newest eighth: else hot tokens would write to three records at each hit."""
    if shelf.clock - shelf_record(shelf, index).used >= shelf.count // FRESH_SHARE and index != shelf.newest:
        shelf_to_front(shelf, index)


cdef inline size_t shelf_size(const Shelf* shelf) noexcept nogil:
    """What the entries hold, in bytes: what `most_bytes` bounds."""
    return shelf.kept + shelf.count * OVERHEAD


cdef bint shelf_init(Shelf* shelf, size_t most_entries, size_t most_bytes) noexcept nogil  # False: memory ran out
cdef void shelf_free(Shelf* shelf) noexcept nogil
cdef void shelf_clear(Shelf* shelf) noexcept nogil
cdef void shelf_to_front(Shelf* shelf, uint32_t index) noexcept nogil
cdef void shelf_remove(Shelf* shelf, uint32_t index) noexcept nogil
# The index of a new entry, which is not there yet; room is made for it.  NOBODY where it has none at all.
cdef uint32_t shelf_add(
    Shelf* shelf, const Token* like, const unsigned char* probes, const unsigned char* record
) noexcept nogil
# Room for a prepared answer with these words and bytes of text, in place of what was there under its route; NULL, and nothing
# is changed, where there is none.  The token's oldest answers may go for it, and other tokens.
cdef Answer* shelf_prepare(Shelf* shelf, uint32_t index, uint32_t route, uint16_t words, uint16_t size) noexcept nogil
cdef size_t shelf_longest_chain(const Shelf* shelf) noexcept nogil
