"""Verified tokens: bounded in entries and bytes, keyed by a keyed digest of the exact token bytes.

A token is an index: into records (88 bytes each, without pointers), into the allocations of what each keeps, and in the
links of its chain and of the list from the most to the least recently used.  Records stand in segments and the hash table
grows by splitting one chain at a time, so that no look-up and no insertion pauses for the size of the table.  A flood of
tokens that nobody signed never gets here; one of good tokens evicts the least recently used, one for one.
"""

from enum import IntEnum

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from bearerd._native.digest cimport keyed128_into
from bearerd._native.generations cimport Generations
from bearerd._native.revocations cimport Revocations

cdef enum:
    SEGMENT_BITS = 8
    SEGMENT = 1 << SEGMENT_BITS  # records
    HEADS_BITS = 10
    HEADS = 1 << HEADS_BITS  # chains of a segment
    KEY = 16  # bytes of a probe
    MOST_PROBES = 16
    MOST_ENTRIES = 1 << 30
    # What a token costs besides its allocation: the record, the allocation's address, one chain.
    OVERHEAD = 88 + 8 + 4
    FRESH_SHARE = 8  # see `touch`


class Found(IntEnum):
    """What a look-up found."""

    MISS = 0
    HIT = 1
    EXPIRED = 2  # by either clock; the entry is gone
    REVOKED = 3  # the entry stays: a revoked good token must not cost a signature check again
    KEYS_CHANGED = 4  # the issuer's key set has another generation: is the verifying key still there?
    CONFIG_CHANGED = 5  # the entry is gone: verify anew


cdef tuple found_members = tuple(Found)
cdef tuple found_nothing = tuple([(member, None) for member in Found])


cdef inline size_t cost_of(size_t size) noexcept nogil:
    """Bytes that the allocator takes for an allocation (glibc's rounding; others differ little)."""
    return max(<size_t>32, (size + 8 + 15) & ~<size_t>15)


cdef inline size_t kept_by(const Token* token) noexcept nogil:
    return KEY * <size_t>token.probes + token.record_size


cdef inline int64_t whole_seconds(double wall) noexcept nogil:
    if wall >= 9e18:
        return INT64_MAX
    return <int64_t>wall if wall > -9e18 else INT64_MIN


cdef int64_t saturated(value) except? -1:
    """Beyond 64 bits the order is all that counts."""
    if value > INT64_MAX:
        return INT64_MAX
    return INT64_MIN if value < INT64_MIN else value


@cython.final
cdef class TokenCache:
    """Flat records without Python objects; the least recently used goes first.  Grows incrementally.

    ``bytes`` counts all that an entry holds: what it keeps, as the allocator rounds it, and 100 bytes for its record.
    ``hits`` counts HIT and REVOKED, ``misses`` MISS, EXPIRED and CONFIG_CHANGED; KEYS_CHANGED is decided by what follows.
    """

    def __cinit__(self, Py_ssize_t max_entries, Py_ssize_t max_bytes):
        if not 1 <= max_entries <= MOST_ENTRIES:
            raise ValueError(f"max_entries is 1 to {MOST_ENTRIES}")
        if max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        self.most_entries = <size_t>max_entries
        self.most_bytes = <size_t>max_bytes
        self.reset()
        if not self.has_heads(HEADS):
            raise MemoryError

    def __dealloc__(self):
        self.reset()
        if self.head_segments:
            free(self.heads[0])
        free(self.heads)

    cdef void reset(self) noexcept nogil:
        """Forgets all; one segment of chains stays."""
        cdef uint32_t index
        cdef size_t i
        for index in range(self.opened):
            free(self.blocks[index >> SEGMENT_BITS][index & (SEGMENT - 1)])
        for i in range(self.segments):
            free(self.records[i])
            free(self.blocks[i])
        for i in range(1, self.head_segments):
            free(self.heads[i])
        free(self.records)
        free(self.blocks)
        self.records = NULL
        self.blocks = NULL
        self.segments = 0
        self.reserved = 0
        if self.head_segments:
            self.head_segments = 1
            memset(self.heads[0], 0xFF, HEADS * sizeof(uint32_t))
            self.reserved = HEADS * sizeof(uint32_t) + sizeof(void*)
        self.count = self.kept = 0
        self.opened = 0
        self.free = self.newest = self.oldest = <uint32_t>NOBODY
        self.list_clock = 0
        self.chains = self.low = HEADS

    # -- segments --

    cdef inline Token* record(self, uint32_t index) noexcept nogil:
        return self.records[index >> SEGMENT_BITS] + (index & (SEGMENT - 1))

    cdef inline unsigned char** block(self, uint32_t index) noexcept nogil:
        return self.blocks[index >> SEGMENT_BITS] + (index & (SEGMENT - 1))

    cdef inline uint32_t* head(self, size_t chain) noexcept nogil:
        return self.heads[chain >> HEADS_BITS] + (chain & (HEADS - 1))

    cdef bint has_records(self) noexcept nogil:
        """Makes the record at ``opened`` real."""
        cdef size_t segment = self.opened >> SEGMENT_BITS
        cdef void* grown
        if segment < self.segments:
            return True
        grown = realloc(self.records, (segment + 1) * sizeof(Token*))
        if grown == NULL:
            return False
        self.records = <Token**>grown
        grown = realloc(self.blocks, (segment + 1) * sizeof(unsigned char**))
        if grown == NULL:
            return False
        self.blocks = <unsigned char***>grown
        self.records[segment] = <Token*>malloc(SEGMENT * sizeof(Token))
        self.blocks[segment] = <unsigned char**>calloc(SEGMENT, sizeof(unsigned char*))
        if self.records[segment] == NULL or self.blocks[segment] == NULL:
            free(self.records[segment])
            free(self.blocks[segment])
            return False
        self.segments = segment + 1
        self.reserved += SEGMENT * (sizeof(Token) + sizeof(unsigned char*)) + 2 * sizeof(void*)
        return True

    cdef bint has_heads(self, size_t chains) noexcept nogil:
        cdef size_t segment = (chains - 1) >> HEADS_BITS
        cdef void* grown
        if segment < self.head_segments:
            return True
        grown = realloc(self.heads, (segment + 1) * sizeof(uint32_t*))
        if grown == NULL:
            return False
        self.heads = <uint32_t**>grown
        self.heads[segment] = <uint32_t*>malloc(HEADS * sizeof(uint32_t))
        if self.heads[segment] == NULL:
            return False
        memset(self.heads[segment], 0xFF, HEADS * sizeof(uint32_t))  # NOBODY
        self.head_segments = segment + 1
        self.reserved += HEADS * sizeof(uint32_t) + sizeof(void*)
        return True

    # -- chains --

    cdef uint32_t* chain_of(self, const unsigned char* digest16) noexcept nogil:
        cdef uint64_t hashed
        cdef size_t chain
        memcpy(&hashed, digest16, 8)
        chain = <size_t>hashed & (2 * self.low - 1)
        return self.head(chain if chain < self.chains else chain & (self.low - 1))

    cdef uint32_t index_of(self, const unsigned char* digest16, size_t length) noexcept nogil:
        cdef uint32_t index = self.chain_of(digest16)[0]
        cdef const Token* token
        while index != <uint32_t>NOBODY:
            token = self.record(index)
            if memcmp(token.digest, digest16, 16) == 0 and token.length == length:
                break
            index = token.next
        return index

    cdef void split(self) noexcept nogil:
        """One more chain: takes its share of the one that was not split longest.  Without memory chains are longer."""
        cdef uint32_t index, following
        cdef uint32_t* chain
        cdef Token* token
        if not self.has_heads(self.chains + 1):
            return
        chain = self.head(self.chains - self.low)
        index = chain[0]
        chain[0] = <uint32_t>NOBODY
        self.chains += 1
        if self.chains == 2 * self.low:
            self.low = self.chains
        while index != <uint32_t>NOBODY:
            token = self.record(index)
            following = token.next
            chain = self.chain_of(token.digest)
            token.next = chain[0]
            chain[0] = index
            index = following

    # -- the list from newest to oldest --

    cdef void to_front(self, uint32_t index) noexcept nogil:
        cdef Token* token = self.record(index)
        token.newer = <uint32_t>NOBODY
        token.older = self.newest
        if self.newest == <uint32_t>NOBODY:
            self.oldest = index
        else:
            self.record(self.newest).newer = index
        self.newest = index
        self.list_clock += 1
        token.used = self.list_clock

    cdef void from_list(self, uint32_t index) noexcept nogil:
        cdef const Token* token = self.record(index)
        if token.newer == <uint32_t>NOBODY:
            self.newest = token.older
        else:
            self.record(token.newer).older = token.older
        if token.older == <uint32_t>NOBODY:
            self.oldest = token.newer
        else:
            self.record(token.older).newer = token.newer

    cdef inline void touch(self, uint32_t index) noexcept nogil:
        """To the front, unless it is among the newest eighth: hot tokens would write to three records at each hit."""
        if self.list_clock - self.record(index).used >= self.count // FRESH_SHARE:
            if index != self.newest:
                self.from_list(index)
                self.to_front(index)

    # -- entries --

    cdef void remove(self, uint32_t index) noexcept nogil:
        cdef Token* token = self.record(index)
        cdef uint32_t* link = self.chain_of(token.digest)
        cdef unsigned char** block = self.block(index)
        while link[0] != index:
            link = &self.record(link[0]).next
        link[0] = token.next
        self.from_list(index)
        self.kept -= cost_of(kept_by(token))
        free(block[0])
        block[0] = NULL
        token.next = self.free
        self.free = index
        self.count -= 1

    cdef uint32_t add(self, const Token* like, const unsigned char* probes, const unsigned char* record) noexcept nogil:
        """The index of a new entry, room made for it; NOBODY where it has no room at all."""
        cdef size_t size = kept_by(like)
        cdef size_t cost = cost_of(size) + OVERHEAD
        cdef unsigned char* block
        cdef uint32_t* chain
        cdef uint32_t index
        if cost > self.most_bytes:
            return <uint32_t>NOBODY
        while self.count >= self.most_entries or self.size() + cost > self.most_bytes:
            self.remove(self.oldest)
            self.evictions += 1
        block = <unsigned char*>malloc(size if size else 1)
        if block == NULL or (self.free == <uint32_t>NOBODY and not self.has_records()):
            free(block)
            return <uint32_t>NOBODY  # without memory: verified again next time
        index = self.free
        if index == <uint32_t>NOBODY:
            index = self.opened
            self.opened += 1
        else:
            self.free = self.record(index).next
        memcpy(block, probes, KEY * <size_t>like.probes)
        memcpy(block + KEY * <size_t>like.probes, record, like.record_size)
        self.block(index)[0] = block
        self.record(index)[0] = like[0]
        chain = self.chain_of(like.digest)
        self.record(index).next = chain[0]
        chain[0] = index
        self.to_front(index)
        self.kept += cost_of(size)
        self.count += 1
        if self.count > self.chains:
            self.split()
        return index

    cdef inline size_t size(self) noexcept nogil:
        return self.kept + self.count * OVERHEAD

    cdef Lookup look_up(
        self, const unsigned char* digest16, size_t length, double wall, double boot,
        Generations generations, Revocations revocations,
    ) noexcept nogil:
        cdef Lookup result
        cdef Token* token
        cdef int64_t now
        result.record = NULL
        result.record_size = 0
        result.index = self.index_of(digest16, length)
        if result.index == <uint32_t>NOBODY:
            self.misses += 1
            result.found = Finding.MISS
            return result
        token = self.record(result.index)
        # Asked so that no NaN is in time.  By boot time, too: a wall clock that is set back revives nothing.
        if not (wall < token.until_wall and boot < token.until_boot):
            result.found = Finding.EXPIRED
        elif token.config_generation != generations.config:
            result.found = Finding.CONFIG_CHANGED
        else:
            self.touch(result.index)
            result.record = self.block(result.index)[0] + KEY * <size_t>token.probes
            result.record_size = token.record_size
            if token.key_generation != generations.of_issuer(token.issuer):
                result.found = Finding.KEYS_CHANGED
                return result
            now = whole_seconds(wall)
            revocations.tell_time(now)
            self.hits += 1
            result.found = Finding.HIT
            if token.cleared != revocations.sequence:
                token.cleared = revocations.sequence
                if revocations.first_revoked(
                    self.block(result.index)[0], token.probes, token.issued_at, now
                ) >= 0:
                    token.cleared = 0  # asked again each time: a lift, or the end of the revocation, counts at once
                    result.found = Finding.REVOKED
            return result
        self.misses += 1
        self.remove(result.index)
        return result

    def find(
        self, bytes token not None, double wall, double boot,
        Generations generations not None, Revocations revocations not None,
    ):
        """Look a token up and check time, generations and revocations (re-probed when ``revocations.sequence`` moved).

        ``wall`` and ``boot`` in seconds.  The record comes with HIT, REVOKED and KEYS_CHANGED.
        """
        cdef unsigned char[16] digest
        cdef size_t length = <size_t>PyBytes_GET_SIZE(token)
        cdef Lookup result
        keyed128_into(<const unsigned char*>PyBytes_AS_STRING(token), length, digest)
        result = self.look_up(digest, length, wall, boot, generations, revocations)
        if result.record == NULL:
            return found_nothing[<Py_ssize_t>result.found]
        return (
            found_members[<Py_ssize_t>result.found],
            PyBytes_FromStringAndSize(<const char*>result.record, <Py_ssize_t>result.record_size),
        )

    def put(
        self, bytes token not None, bytes record not None, Py_ssize_t issuer, uint32_t key_generation,
        uint32_t config_generation, issued_at, double until_wall, double until_boot, bytes probes not None,
    ):
        """Keep a verified token: ``record`` is opaque, ``probes`` the concatenated 16-byte revocation keys (at most 16).

        ``issuer`` is its index (16 bits), ``issued_at`` floor(iat), ``until_wall`` and ``until_boot`` are the seconds by
        each clock from which it is EXPIRED.  What these bytes had before is replaced.  An entry that has no room in
        ``max_bytes`` by itself is not kept.
        """
        cdef Token entry
        cdef Py_ssize_t length = PyBytes_GET_SIZE(token)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(record)
        cdef Py_ssize_t probed = PyBytes_GET_SIZE(probes)
        if not 0 <= issuer <= 0xFFFF:
            raise ValueError("an issuer's index has 16 bits")
        if probed % KEY != 0 or probed > MOST_PROBES * KEY:
            raise ValueError("probes are at most 16 keys of 16 bytes")
        memset(&entry, 0, sizeof(Token))
        entry.issued_at = saturated(issued_at)
        entry.until_wall = until_wall
        entry.until_boot = until_boot
        entry.length = <uint32_t>length
        entry.key_generation = key_generation
        entry.config_generation = config_generation
        entry.record_size = <uint32_t>size
        entry.issuer = <uint16_t>issuer
        entry.probes = <uint8_t>(probed // KEY)
        keyed128_into(<const unsigned char*>PyBytes_AS_STRING(token), <size_t>length, entry.digest)
        self.forget(entry.digest, <size_t>length)
        if length <= <Py_ssize_t>0xFFFFFFFF and size <= <Py_ssize_t>0xFFFFFFFF:
            self.add(
                &entry,
                <const unsigned char*>PyBytes_AS_STRING(probes),
                <const unsigned char*>PyBytes_AS_STRING(record),
            )

    cdef void forget(self, const unsigned char* digest16, size_t length) noexcept nogil:
        cdef uint32_t index = self.index_of(digest16, length)
        if index != <uint32_t>NOBODY:
            self.remove(index)

    def renew(self, bytes token not None, uint32_t key_generation):
        """The verifying key is still in the issuer's set of this generation."""
        cdef unsigned char[16] digest
        cdef size_t length = <size_t>PyBytes_GET_SIZE(token)
        cdef uint32_t index
        keyed128_into(<const unsigned char*>PyBytes_AS_STRING(token), length, digest)
        index = self.index_of(digest, length)
        if index != <uint32_t>NOBODY:
            self.record(index).key_generation = key_generation

    def drop(self, bytes token not None):
        """Forget a token, if it is known."""
        cdef unsigned char[16] digest
        cdef size_t length = <size_t>PyBytes_GET_SIZE(token)
        keyed128_into(<const unsigned char*>PyBytes_AS_STRING(token), length, digest)
        self.forget(digest, length)

    def clear(self):
        """Forget all, and give the memory back.  Takes as long as there are entries; a reload needs only generations."""
        self.reset()

    def memory(self):
        """Bytes held, segments that wait for entries included."""
        return self.kept + self.reserved

    @property
    def entries(self):
        return self.count

    @property
    def bytes(self):
        return self.size()
