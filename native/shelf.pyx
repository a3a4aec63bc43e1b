"""Records of tokens without pointers, found by digest, in the order of their use.

A token is an index: into records, into the allocations of what each keeps, and in the links of its chain and of the list
from the most to the least recently used.  Records stand in segments, and the hash table grows by splitting one chain at
a time (linear hashing), so that no look-up and no insertion pauses for the number of entries.
"""

from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset


cdef inline size_t kept_by(const Token* token) noexcept nogil:
    if token.answers_size:
        return answers_offset(token) + token.answers_size
    return PROBE * <size_t>token.probes + token.record_size


cdef inline size_t cost_of(size_t size) noexcept nogil:
    """Bytes that the allocator takes for an allocation (glibc's rounding; others differ little)."""
    return max(<size_t>32, (size + 8 + 15) & ~<size_t>15)


# ---- segments ----


cdef bint grow_directory(void*** directory, size_t count) noexcept nogil:
    cdef void* grown = realloc(directory[0], count * sizeof(void*))
    if grown == NULL:
        return False
    directory[0] = <void**>grown
    return True


cdef bint has_records(Shelf* shelf) noexcept nogil:
    """Makes the record at `opened` real."""
    cdef size_t segment = shelf.opened >> RECORDS_BITS
    cdef void* records
    cdef void* blocks
    if segment < shelf.segments:
        return True
    if not grow_directory(<void***>&shelf.records, segment + 1) or not grow_directory(<void***>&shelf.blocks, segment + 1):
        return False
    records = malloc(RECORDS * sizeof(Token))
    blocks = calloc(RECORDS, sizeof(unsigned char*))
    if records == NULL or blocks == NULL:
        free(records)
        free(blocks)
        return False
    shelf.records[segment] = <Token*>records
    shelf.blocks[segment] = <unsigned char**>blocks
    shelf.segments = segment + 1
    shelf.reserved += RECORDS * (sizeof(Token) + sizeof(unsigned char*)) + 2 * sizeof(void*)
    return True


cdef bint has_heads(Shelf* shelf, size_t chains) noexcept nogil:
    cdef size_t segment = (chains - 1) >> HEADS_BITS
    if segment < shelf.head_segments:
        return True
    if not grow_directory(<void***>&shelf.heads, segment + 1):
        return False
    shelf.heads[segment] = <uint32_t*>malloc(HEADS * sizeof(uint32_t))
    if shelf.heads[segment] == NULL:
        return False
    memset(shelf.heads[segment], 0xFF, HEADS * sizeof(uint32_t))  # NOBODY
    shelf.head_segments = segment + 1
    shelf.reserved += HEADS * sizeof(uint32_t) + sizeof(void*)
    return True


cdef bint shelf_init(Shelf* shelf, size_t most_entries, size_t most_bytes) noexcept nogil:
    memset(shelf, 0, sizeof(Shelf))
    shelf.most_entries = most_entries
    shelf.most_bytes = most_bytes
    shelf_clear(shelf)
    return has_heads(shelf, HEADS)


cdef void shelf_clear(Shelf* shelf) noexcept nogil:
    """One segment of chains stays: clearing cannot fail."""
    cdef uint32_t index
    cdef size_t i
    for index in range(shelf.opened):
        free(shelf_block(shelf, index)[0])
    for i in range(shelf.segments):
        free(shelf.records[i])
        free(shelf.blocks[i])
    for i in range(1, shelf.head_segments):
        free(shelf.heads[i])
    free(shelf.records)
    free(shelf.blocks)
    shelf.records = NULL
    shelf.blocks = NULL
    shelf.segments = 0
    shelf.reserved = 0
    if shelf.head_segments:
        shelf.head_segments = 1
        shelf.reserved = HEADS * sizeof(uint32_t) + sizeof(void*)
        memset(shelf.heads[0], 0xFF, HEADS * sizeof(uint32_t))
    shelf.count = 0
    shelf.kept = 0
    shelf.opened = 0
    shelf.vacant = shelf.newest = shelf.oldest = <uint32_t>NOBODY
    shelf.clock = 0
    shelf.chains = shelf.low = HEADS


cdef void shelf_free(Shelf* shelf) noexcept nogil:
    shelf_clear(shelf)
    if shelf.head_segments:
        free(shelf.heads[0])
    free(shelf.heads)
    memset(shelf, 0, sizeof(Shelf))


# ---- chains ----


cdef void enchain(Shelf* shelf, uint32_t index) noexcept nogil:
    cdef Token* token = shelf_record(shelf, index)
    cdef uint32_t* chain = shelf_chain(shelf, token.digest)
    token.next = chain[0]
    chain[0] = index


cdef void unchain(Shelf* shelf, uint32_t index) noexcept nogil:
    cdef const Token* token = shelf_record(shelf, index)
    cdef uint32_t* link = shelf_chain(shelf, token.digest)
    while link[0] != index:
        link = &shelf_record(shelf, link[0]).next
    link[0] = token.next


cdef void split(Shelf* shelf) noexcept nogil:
    """One more chain: takes its share of the one that was not split longest.  Without memory chains are longer."""
    cdef uint32_t index, following
    cdef uint32_t* chain
    if not has_heads(shelf, shelf.chains + 1):
        return
    chain = shelf_head(shelf, shelf.chains - shelf.low)
    index = chain[0]
    chain[0] = <uint32_t>NOBODY
    shelf.chains += 1
    if shelf.chains == 2 * shelf.low:
        shelf.low = shelf.chains
    while index != <uint32_t>NOBODY:
        following = shelf_record(shelf, index).next
        enchain(shelf, index)
        index = following


cdef size_t shelf_longest_chain(const Shelf* shelf) noexcept nogil:
    cdef size_t chain, length, longest = 0
    cdef uint32_t index
    for chain in range(shelf.chains):
        length = 0
        index = shelf_head(shelf, chain)[0]
        while index != <uint32_t>NOBODY:
            length += 1
            index = shelf_record(shelf, index).next
        longest = max(longest, length)
    return longest


# ---- the list from newest to oldest ----


cdef void enlist(Shelf* shelf, uint32_t index) noexcept nogil:
    cdef Token* token = shelf_record(shelf, index)
    token.newer = <uint32_t>NOBODY
    token.older = shelf.newest
    if shelf.newest == <uint32_t>NOBODY:
        shelf.oldest = index
    else:
        shelf_record(shelf, shelf.newest).newer = index
    shelf.newest = index
    shelf.clock += 1
    token.used = shelf.clock


cdef void unlist(Shelf* shelf, uint32_t index) noexcept nogil:
    cdef const Token* token = shelf_record(shelf, index)
    if token.newer == <uint32_t>NOBODY:
        shelf.newest = token.older
    else:
        shelf_record(shelf, token.newer).older = token.older
    if token.older == <uint32_t>NOBODY:
        shelf.oldest = token.newer
    else:
        shelf_record(shelf, token.older).newer = token.newer


cdef void shelf_to_front(Shelf* shelf, uint32_t index) noexcept nogil:
    unlist(shelf, index)
    enlist(shelf, index)


# ---- entries ----


cdef void shelf_remove(Shelf* shelf, uint32_t index) noexcept nogil:
    cdef Token* token = shelf_record(shelf, index)
    cdef unsigned char** block = shelf_block(shelf, index)
    unchain(shelf, index)
    unlist(shelf, index)
    free(block[0])
    block[0] = NULL
    shelf.kept -= cost_of(kept_by(token))
    token.next = shelf.vacant
    shelf.vacant = index
    shelf.count -= 1


cdef uint32_t shelf_add(
    Shelf* shelf, const Token* like, const unsigned char* probes, const unsigned char* record
) noexcept nogil:
    cdef size_t size = kept_by(like)
    cdef size_t cost = cost_of(size) + OVERHEAD
    cdef unsigned char* block
    cdef uint32_t index
    if cost > shelf.most_bytes:
        return <uint32_t>NOBODY
    while shelf.count >= shelf.most_entries or shelf_size(shelf) + cost > shelf.most_bytes:
        shelf_remove(shelf, shelf.oldest)
        shelf.evictions += 1
    block = <unsigned char*>malloc(size if size else 1)
    if block == NULL or (shelf.vacant == <uint32_t>NOBODY and not has_records(shelf)):
        free(block)
        return <uint32_t>NOBODY
    index = shelf.vacant
    if index == <uint32_t>NOBODY:
        index = shelf.opened
        shelf.opened += 1
    else:
        shelf.vacant = shelf_record(shelf, index).next
    memcpy(block, probes, PROBE * <size_t>like.probes)
    memcpy(block + PROBE * <size_t>like.probes, record, like.record_size)
    shelf_block(shelf, index)[0] = block
    shelf_record(shelf, index)[0] = like[0]
    enchain(shelf, index)
    enlist(shelf, index)
    shelf.kept += cost_of(size)
    shelf.count += 1
    if shelf.count > shelf.chains:
        split(shelf)
    return index


cdef size_t stays(const unsigned char** first, const unsigned char* end, uint32_t route, size_t room) noexcept nogil:
    """Bytes of the answers of other routes that may stay beside one more; ``first`` is moved behind those that may not."""
    cdef const unsigned char* each = first[0]
    cdef size_t size = 0, count = 0
    while each < end:
        if (<const Answer*>each).route != route:
            size += span_of(<const Answer*>each)
            count += 1
        each += span_of(<const Answer*>each)
    while count >= MOST_ANSWERS or (count and size > room):
        if (<const Answer*>first[0]).route != route:
            size -= span_of(<const Answer*>first[0])
            count -= 1
        first[0] += span_of(<const Answer*>first[0])
    return size


cdef Answer* shelf_prepare(Shelf* shelf, uint32_t index, uint32_t route, uint16_t words, uint16_t size) noexcept nogil:
    cdef Token* token = shelf_record(shelf, index)
    cdef unsigned char** block = shelf_block(shelf, index)
    cdef const unsigned char* at = block[0] + answers_offset(token)
    cdef const unsigned char* end = at + token.answers_size
    cdef size_t span = aligned(sizeof(Answer) + 8 * <size_t>words + size)
    cdef size_t others = stays(&at, end, route, MOST_ANSWERED - min(span, <size_t>MOST_ANSWERED))
    cdef size_t before = cost_of(kept_by(token))
    cdef size_t after = cost_of(answers_offset(token) + others + span)
    cdef unsigned char* block_now
    cdef unsigned char* behind
    cdef Answer* answer
    # The one that is being answered is the newest, or among the newest eighth: it is never the one to go, but where it is alone.
    while shelf_size(shelf) - before + after > shelf.most_bytes and shelf.oldest != index:
        shelf_remove(shelf, shelf.oldest)
        shelf.evictions += 1
    if shelf_size(shelf) - before + after > shelf.most_bytes:
        return NULL
    block_now = <unsigned char*>malloc(answers_offset(token) + others + span)
    if block_now == NULL:
        return NULL
    memcpy(block_now, block[0], PROBE * <size_t>token.probes + token.record_size)
    behind = block_now + answers_offset(token)
    while at < end:
        if (<const Answer*>at).route != route:
            memcpy(behind, at, span_of(<const Answer*>at))
            behind += span_of(<const Answer*>at)
        at += span_of(<const Answer*>at)
    free(block[0])
    block[0] = block_now
    token.answers_size = <uint32_t>(others + span)
    shelf.kept += after
    shelf.kept -= before
    answer = <Answer*>behind
    answer.route = route
    answer.words = words
    answer.size = size
    return answer
