"""Flat 32-byte entries in the order of a seeded hash of their keys, in segments that grow a little at a time.

Linear probing in hash order: an entry's home is its hash scaled to the number of homes, and entries stand in the order of
their hashes, each at its home or behind it.  A miss therefore ends at the first larger hash, a load of nine tenths stays
cheap, and entries of one key stand side by side.  Growing (and shrinking) walks the old area from the lowest hash up and
appends to the new one; each hash lives in exactly one of the two, told by one comparison with the frontier; segments are
allocated ahead of the walk and freed behind it.  Nothing ever pauses for the size of the table, and growing needs no
second table's memory.

Beside the entries stand marks, a byte for each home: what is not there, as nearly every key that is asked for, is mostly
known by one bit of one byte.  They belong to homes, not to slots, so that entries which make room leave them as they are.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size) noexcept

cdef extern from *:
    """
    /* The smallest hash (63 bits) whose home is slot i or behind it, for i < homes. */
    static inline uint64_t bearerd_ceiling(uint64_t i, uint64_t homes) {
        return (uint64_t)((((unsigned __int128)i << 63) + homes - 1) / homes);
    }
    """
    uint64_t bearerd_ceiling(uint64_t i, uint64_t homes) noexcept nogil

cdef enum:
    FULL_IN_32 = 30  # of 32 homes taken: grow by a twelfth
    SPARSE_IN_32 = 12  # of 32 homes taken: shrink
    STEPS = 32  # slots walked for each entry inserted, while moving
    LINE = 64


cdef bint has_segment(Slots* slots, Area* area, size_t segment) noexcept nogil:
    cdef Segment** directory
    if segment >= area.reach:  # a cluster runs over the last home
        directory = <Segment**>calloc(segment + 1, sizeof(Segment*))
        if directory == NULL:
            return False
        memcpy(directory, area.segments, area.reach * sizeof(Segment*))
        free(area.segments)
        area.segments = directory
        area.reach = segment + 1
    if area.segments[segment] == NULL:
        area.segments[segment] = <Segment*>aligned_alloc(LINE, sizeof(Segment))
        if area.segments[segment] == NULL:
            return False
        memset(area.segments[segment], 0, sizeof(Segment))
        slots.held += 1
    return True


cdef inline bint has_room(Slots* slots, Area* area, size_t i) noexcept nogil:
    """Makes every slot from the end to `i` real."""
    if area.end & (SEGMENT - 1) != 0 and area.end >> SEGMENT_BITS == i >> SEGMENT_BITS:
        return True
    return has_segments(slots, area, i)


cdef bint has_segments(Slots* slots, Area* area, size_t i) noexcept nogil:
    cdef size_t segment = area.end >> SEGMENT_BITS
    while segment <= i >> SEGMENT_BITS:
        if not has_segment(slots, area, segment):
            return False
        segment += 1
    return True


cdef bint open_area(Area* area, size_t homes) noexcept nogil:
    area.reach = (homes >> SEGMENT_BITS) + 1
    area.segments = <Segment**>calloc(area.reach, sizeof(Segment*))
    area.homes = homes
    area.first = area.end = 0
    return area.segments != NULL


cdef void close_area(Slots* slots, Area* area) noexcept nogil:
    cdef size_t segment
    if area.segments != NULL:
        for segment in range(area.reach):
            if area.segments[segment] != NULL:
                free(area.segments[segment])
                slots.held -= 1
        free(area.segments)
    memset(area, 0, sizeof(Area))


cdef bint slots_init(Slots* slots) noexcept nogil:
    return open_area(&slots.now, SEGMENT)


cdef void slots_free(Slots* slots) noexcept nogil:
    close_area(slots, &slots.now)
    close_area(slots, &slots.next)
    slots.moving = False
    slots.count = 0


cdef void maybe_resize(Slots* slots) noexcept nogil:
    """Begins to move where it is due.  Without memory it begins later: the area is fuller until then, not wrong."""
    cdef size_t homes = slots.now.homes
    if slots.moving:
        return
    if slots.count * 32 > homes * FULL_IN_32:
        homes += homes // 12
    elif homes > SEGMENT and slots.count * 32 < homes * SPARSE_IN_32:
        homes = max(<size_t>SEGMENT, slots.count + slots.count // 2)
    else:
        return
    if open_area(&slots.next, homes):
        slots.moving = True
        slots.frontier = 0


cdef inline void mark(Area* area, uint64_t hashed) noexcept nogil:
    """There is an entry of this hash (its slot is real by now)."""
    cdef size_t eighth = eighth_of(area, hashed)
    cdef unsigned char* marked = marks(area, eighth >> MARK_BITS)
    if marked != NULL:
        marked[0] |= bit_of(eighth)


cdef inline bint is_of(const Slots* slots, const Area* area, size_t i, size_t eighth) noexcept nogil:
    cdef const Entry* entry = slot(area, i)
    return entry != NULL and entry.expiry != 0 and eighth_of(area, hash_of(slots, entry.key)) == eighth


cdef void unmark(const Slots* slots, Area* area, size_t i, uint64_t hashed) noexcept nogil:
    """An entry of this hash stood in slot `i`.  Others of its eighth stood right before it, or have moved up."""
    cdef size_t eighth = eighth_of(area, hashed)
    cdef unsigned char* marked = marks(area, eighth >> MARK_BITS)
    if marked == NULL or is_of(slots, area, i, eighth) or (i > area.first and is_of(slots, area, i - 1, eighth)):
        return
    marked[0] &= ~bit_of(eighth)


cdef void shift_up(Area* area, size_t i, size_t gap) noexcept nogil:
    """Moves the entries from slot `i` on by one, into the gap."""
    cdef size_t low
    while gap > i:
        if gap & (SEGMENT - 1) == 0:
            slot(area, gap)[0] = slot(area, gap - 1)[0]
            gap -= 1
        low = max(i, gap & ~<size_t>(SEGMENT - 1))
        memmove(slot(area, low) + 1, slot(area, low), (gap - low) * sizeof(Entry))
        gap = low


cdef bint slots_insert(Slots* slots, Cursor* where, const Entry* entry) noexcept nogil:
    cdef Area* area = where.area
    cdef Entry* here
    cdef size_t gap = where.i
    while True:
        here = slot(area, gap)
        if here == NULL or here.expiry == 0:
            break
        gap += 1
    if here == NULL:
        if not has_room(slots, area, gap):
            return False
        area.end = gap + 1
    shift_up(area, where.i, gap)
    slot(area, where.i)[0] = entry[0]
    mark(area, hash_of(slots, entry.key))
    slots.count += 1
    slots_move(slots, STEPS)
    return True


cdef void slots_remove(Slots* slots, Cursor* where) noexcept nogil:
    cdef Area* area = where.area
    cdef size_t i = where.i
    cdef Entry* here = slot(area, i)
    cdef Entry* behind
    cdef uint64_t hashed = hash_of(slots, here.key)
    while True:
        behind = slot(area, i + 1)
        if behind == NULL or behind.expiry == 0 or home_of(area, hash_of(slots, behind.key)) > i:
            break
        here[0] = behind[0]
        here = behind
        i += 1
    memset(here, 0, sizeof(Entry))
    unmark(slots, area, where.i, hashed)
    if i + 1 == area.end:  # what is appended next must find no gap before it
        area.end = i
    slots.count -= 1


cdef inline size_t run_length(const Slots* slots, const Area* area, size_t i, uint64_t hashed) noexcept nogil:
    cdef const Entry* entry
    cdef size_t start = i
    while True:
        i += 1
        entry = slot(area, i)
        if entry == NULL or entry.expiry == 0 or hash_of(slots, entry.key) != hashed:
            return i - start


cdef inline void give_up(Slots* slots, Area* area, size_t before) noexcept nogil:
    """Frees the segments that lie wholly before slot `before`."""
    cdef size_t segment = area.first >> SEGMENT_BITS
    while segment < before >> SEGMENT_BITS:
        free(area.segments[segment])
        area.segments[segment] = NULL
        slots.held -= 1
        segment += 1
    area.first = before


cdef void slots_move(Slots* slots, size_t budget) noexcept nogil:
    cdef Area* now = &slots.now
    cdef Area* next = &slots.next
    cdef Entry* entry
    cdef uint64_t hashed
    cdef size_t i, j, length
    maybe_resize(slots)
    while slots.moving:
        entry = slot(now, now.first)
        if entry == NULL:
            close_area(slots, now)
            now[0] = next[0]
            memset(next, 0, sizeof(Area))
            slots.moving = False
            return
        if budget == 0:
            return
        length = 1
        if entry.expiry != 0:  # a whole run or nothing of it: entries of one hash live in one area
            hashed = hash_of(slots, entry.key)
            length = run_length(slots, now, now.first, hashed)
            i = max(home_of(next, hashed), next.end)
            if not has_room(slots, next, i + length - 1):
                return
            next.end = i + length
            for j in range(length):
                slot(next, i + j)[0] = slot(now, now.first + j)[0]
            mark(next, hashed)
            slots.frontier = hashed + 1
        give_up(slots, now, now.first + length)
        budget -= min(budget, length)


cdef Entry* slots_walk(Slots* slots, Cursor* cursor, size_t* budget) noexcept nogil:
    cdef Entry* entry
    cdef uint64_t hashed
    while True:
        entry = slot(cursor.area, cursor.i)
        if entry == NULL:
            if cursor.area == &slots.now:
                return NULL
            cursor.area = &slots.now
            cursor.i = slots.now.first
            continue
        if budget[0] == 0 and not goes_on(slots, cursor, entry):
            return NULL
        budget[0] -= budget[0] != 0
        if entry.expiry != 0:
            return entry
        cursor.i += 1


cdef bint goes_on(const Slots* slots, const Cursor* cursor, const Entry* entry) noexcept nogil:
    """Whether the slot before has the same hash: a position is told by a hash, so that a walk cannot rest between."""
    cdef const Entry* before
    if entry.expiry == 0 or cursor.i == cursor.area.first:
        return False
    before = slot(cursor.area, cursor.i - 1)
    return before.expiry != 0 and hash_of(slots, before.key) == hash_of(slots, entry.key)


cdef uint64_t slots_position(const Slots* slots, const Cursor* cursor) noexcept nogil:
    cdef const Entry* entry = slot(cursor.area, cursor.i)
    cdef uint64_t area_ends = SLOTS_END if cursor.area == &slots.now else slots.frontier
    if entry == NULL:
        return area_ends
    if entry.expiry != 0:
        return hash_of(slots, entry.key)
    if cursor.i >= cursor.area.homes:  # behind the last home there is no entry without one before it
        return area_ends
    return min(area_ends, bearerd_ceiling(cursor.i, cursor.area.homes))


cdef size_t slots_memory(const Slots* slots) noexcept nogil:
    return (
        sizeof(Slots)
        + slots.held * sizeof(Segment)
        + (slots.now.reach + slots.next.reach) * sizeof(Segment*)
    )


cdef size_t slots_marks(const Slots* slots) noexcept nogil:
    return marks_of(&slots.now) + marks_of(&slots.next)


cdef size_t marks_of(const Area* area) noexcept nogil:
    cdef size_t home, found = 0
    cdef unsigned char left
    for home in range(area.first, min(area.homes, area.end)):
        left = marks(area, home)[0]
        while left:
            left &= left - 1
            found += 1
    return found
