# One revocation: 32 bytes, packed in network order, or a record.

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "<endian.h>" nogil:
    uint32_t be32toh(uint32_t) noexcept
    uint32_t htobe32(uint32_t) noexcept
    uint64_t be64toh(uint64_t) noexcept
    uint64_t htobe64(uint64_t) noexcept

cdef enum:
    SIZE = 32
    KEY = 16
    FOR_EVER = 0xFFFFFFFF  # of an expiry; as a cut-off: infinity
    LIFTS = 0  # the cut-off of a tombstone

cdef struct Entry:
    unsigned char[16] key
    uint32_t cutoff
    uint32_t expiry
    uint64_t at


cdef inline void read_entry(const unsigned char* p, Entry* entry) noexcept nogil:
    cdef uint32_t[2] seconds
    memcpy(entry.key, p, KEY)
    memcpy(seconds, p + KEY, 8)
    memcpy(&entry.at, p + KEY + 8, 8)
    entry.cutoff = be32toh(seconds[0])
    entry.expiry = be32toh(seconds[1])
    entry.at = be64toh(entry.at)


cdef inline void write_entry(const Entry* entry, unsigned char* p) noexcept nogil:
    cdef uint32_t[2] seconds
    cdef uint64_t at = htobe64(entry.at)
    seconds[0] = htobe32(entry.cutoff)
    seconds[1] = htobe32(entry.expiry)
    memcpy(p, entry.key, KEY)
    memcpy(p + KEY, seconds, 8)
    memcpy(p + KEY + 8, &at, 8)


cdef inline bint is_live(const Entry* entry, int64_t now) noexcept nogil:
    return entry.expiry == <uint32_t>FOR_EVER or entry.expiry > now


cdef inline bint covers(const Entry* one, const Entry* other) noexcept nogil:
    """Whether beside `one`, of the same key, `other` makes no difference, whatever the time and whatever else comes.

    It does not outlive `one`, is not later, and says no more: every tombstone that lifts `one` lifts it; and a tombstone
    `one` lifts it.
    """
    if one.expiry < other.expiry or one.at < other.at:
        return False
    return one.cutoff == LIFTS or (other.cutoff != LIFTS and one.cutoff >= other.cutoff)


cdef inline int64_t saturated(value) except? -1:
    """Beyond 64 bits the order is all that counts."""
    if value > INT64_MAX:
        return INT64_MAX
    return INT64_MIN if value < INT64_MIN else value


cdef inline int64_t whole_seconds(double wall) noexcept nogil:
    """The same of a clock."""
    if wall >= 9e18:
        return INT64_MAX
    return <int64_t>wall if wall > -9e18 else INT64_MIN
