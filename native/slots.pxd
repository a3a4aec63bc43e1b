# Flat 32-byte entries in the order of a seeded hash of their keys, in segments that grow a little at a time.  In an empty
# slot the expiry is 0.
# See slots.pyx for the plan.

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from bearerd._native.entry cimport Entry

cdef extern from *:
    """
    #ifndef BEARERD_MULTIPLY
    #define BEARERD_MULTIPLY
    #include <stdint.h>
    /* The high half of a product. */
    static inline uint64_t bearerd_high(uint64_t a, uint64_t b) {
        return (uint64_t)(((unsigned __int128)a * b) >> 64);
    }
    #endif
    """
    uint64_t bearerd_high(uint64_t a, uint64_t b) noexcept nogil
    void prefetch "__builtin_prefetch"(const void* p) noexcept nogil
    const uint64_t SLOTS_END "((uint64_t)1 << 63)"  # above every hash

cdef enum:
    SEGMENT_BITS = 10
    SEGMENT = 1 << SEGMENT_BITS  # slots
    MARK_BITS = 3  # a home's hashes are told apart by eighths

cdef struct Segment:
    Entry[SEGMENT] entries
    unsigned char[SEGMENT] marks  # by home, a bit for each eighth of its hashes: whether there is an entry of them

# One geometry: an entry stands at its home, or behind it with no empty slot between.
cdef struct Area:
    Segment** segments  # those not there yet, or no longer, are NULL
    size_t reach  # how many segments the directory has room for
    size_t homes
    size_t first  # slots before it are given up: their entries have moved to the next area
    size_t end  # slots from it on are empty

cdef struct Slots:
    Area now
    Area next  # while growing or shrinking: takes over, from the lowest hash up
    bint moving
    uint64_t frontier  # hashes below it live in `next`
    uint64_t[2] seed
    size_t count
    size_t held  # segments allocated

cdef struct Cursor:
    Area* area
    size_t i


cdef inline uint64_t hash_of(const Slots* slots, const unsigned char* key) noexcept nogil:
    """63 bits.  Keys are SHA-256 output, so that nobody can choose both words; the seed stops who tries many."""
    cdef uint64_t[2] word
    memcpy(word, key, 16)
    word[0] ^= slots.seed[0]
    word[1] ^= slots.seed[1]
    return (bearerd_high(word[0], word[1]) ^ (word[0] * word[1])) >> 1


cdef inline const Area* area_of(const Slots* slots, uint64_t hashed) noexcept nogil:
    return &slots.next if slots.moving and hashed < slots.frontier else &slots.now


cdef inline size_t eighth_of(const Area* area, uint64_t hashed) noexcept nogil:
    """Of all eighths of all homes: the home's number, and in the last bits which of its own it is."""
    return <size_t>bearerd_high(hashed << 1, area.homes << MARK_BITS)


cdef inline size_t home_of(const Area* area, uint64_t hashed) noexcept nogil:
    return eighth_of(area, hashed) >> MARK_BITS


cdef inline Entry* slot(const Area* area, size_t i) noexcept nogil:
    """NULL where the slots end; `i` is not before `area.first`."""
    return &area.segments[i >> SEGMENT_BITS].entries[i & (SEGMENT - 1)] if i < area.end else NULL


cdef inline unsigned char* marks(const Area* area, size_t home) noexcept nogil:
    """NULL where they are gone (the home is given up), or not there yet (then it has no entry)."""
    if not area.first <= home < area.end:
        return NULL
    return &area.segments[home >> SEGMENT_BITS].marks[home & (SEGMENT - 1)]


cdef inline unsigned char bit_of(size_t eighth) noexcept nogil:
    """Among the marks of its home."""
    return 1 << (eighth & ((1 << MARK_BITS) - 1))


cdef inline const void* first_marks(const Slots* slots, const unsigned char* key) noexcept nogil:
    """The address that `may_hold` will read for this key: prefetched for several, they wait for memory once."""
    cdef uint64_t hashed = hash_of(slots, key)
    cdef const Area* area = area_of(slots, hashed)
    return marks(area, home_of(area, hashed))


cdef inline bint may_hold(const Slots* slots, const unsigned char* key) noexcept nogil:
    """False: there is no entry of this key.  Of keys that are not there nine in ten are told so by one bit.

    All marks are a thirty-third of the table: where entries would come from memory, these are in a cache.
    """
    cdef uint64_t hashed = hash_of(slots, key)
    cdef const Area* area = area_of(slots, hashed)
    cdef size_t eighth = eighth_of(area, hashed)
    cdef const unsigned char* marked = marks(area, eighth >> MARK_BITS)
    if marked == NULL:
        return eighth >> MARK_BITS < area.first
    return marked[0] & bit_of(eighth) != 0


cdef inline const void* first_read(const Slots* slots, const unsigned char* key) noexcept nogil:
    """The address that `seek` will read first for this key."""
    cdef uint64_t hashed = hash_of(slots, key)
    cdef const Area* area = area_of(slots, hashed)
    return slot(area, max(home_of(area, hashed), area.first))


cdef inline size_t lower_bound(const Slots* slots, const Area* area, uint64_t hashed) noexcept nogil:
    """Where entries of this hash begin, or would."""
    cdef size_t i = home_of(area, hashed)
    cdef const Entry* entry
    if i < area.first:
        i = area.first
    while True:
        entry = slot(area, i)
        if entry == NULL or entry.expiry == 0 or hash_of(slots, entry.key) >= hashed:
            return i
        i += 1


cdef inline Cursor seek(Slots* slots, uint64_t hashed) noexcept nogil:
    cdef Cursor cursor
    cursor.area = <Area*>area_of(slots, hashed)
    cursor.i = lower_bound(slots, cursor.area, hashed)
    return cursor


cdef inline Entry* in_run(const Slots* slots, const Cursor* cursor, uint64_t hashed) noexcept nogil:
    """The entry under the cursor if it has this hash, else NULL.  (Keys must still be compared.)"""
    cdef Entry* entry = slot(cursor.area, cursor.i)
    return NULL if entry == NULL or entry.expiry == 0 or hash_of(slots, entry.key) != hashed else entry


# These two return False, with nothing changed, when memory ran out.
cdef bint slots_init(Slots* slots) noexcept nogil
cdef bint slots_insert(Slots* slots, Cursor* where, const Entry* entry) noexcept nogil  # where `seek` says; ends cursors
cdef void slots_free(Slots* slots) noexcept nogil
cdef void slots_remove(Slots* slots, Cursor* where) noexcept nogil  # the cursor then stands at what followed
# Goes on with growing or shrinking, over about `budget` slots; ends cursors.
cdef void slots_move(Slots* slots, size_t budget) noexcept nogil
# The entry under the cursor, or the next one behind it in the order of hashes (the cursor goes there); NULL at the end.
# Takes one from `budget` a slot; NULL when that is used up, but not between two entries of one hash.
cdef Entry* slots_walk(Slots* slots, Cursor* cursor, size_t* budget) noexcept nogil
# The hash at which a walk that stopped goes on, whatever happens meanwhile; SLOTS_END at the end.
cdef uint64_t slots_position(const Slots* slots, const Cursor* cursor) noexcept nogil
cdef size_t slots_memory(const Slots* slots) noexcept nogil  # bytes
cdef size_t slots_marks(const Slots* slots) noexcept nogil  # how many stand
