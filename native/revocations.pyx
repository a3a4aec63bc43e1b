"""The revocations that this worker knows: a flat table of 32-byte entries (contracts, section 5)."""

import os

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy

from bearerd._native.entry cimport (
    FOR_EVER, KEY, LIFTS, SIZE, Entry, covers, is_live, read_entry, saturated, write_entry,
)
from bearerd._native.slots cimport (
    Cursor, SLOTS_END, first_marks, first_read, hash_of, in_run, may_hold, prefetch, seek, slot, slots_free, slots_init,
    slots_insert, slots_marks, slots_memory, slots_move, slots_position, slots_remove, slots_walk,
)

cdef enum:
    ENOUGH = 0xFFFFFFFF  # as a budget: more slots than any table has
    AHEAD = 8  # entries

ENTRY_SIZE = SIZE
FOREVER = <uint32_t>FOR_EVER
TOMBSTONE = LIFTS
EVERY_KEY = bytes(KEY)

cdef unsigned char[KEY] every_key  # zeros

# One for all tables of the process: what was compared with one table's sequence never matches another's.
cdef uint64_t ticker = 0


class Full(RuntimeError):
    """The table cannot hold the set; nothing of the call was applied."""


# ---- entries ----


def pack(bytes key not None, cutoff, expiry, at):
    """One entry: key (16 bytes), cut-off and expiry (u32be seconds), at (u64be microseconds)."""
    if PyBytes_GET_SIZE(key) != KEY:
        raise ValueError("a key has 16 bytes")
    try:
        return key + cutoff.to_bytes(4, "big") + expiry.to_bytes(4, "big") + at.to_bytes(8, "big")
    except OverflowError as error:
        raise ValueError("cut-off and expiry have 32 bits, at has 64, none is negative") from error


def unpack(bytes entry not None):
    """(key, cutoff, expiry, at)."""
    cdef Entry read
    if PyBytes_GET_SIZE(entry) != SIZE:
        raise ValueError("an entry has 32 bytes")
    read_entry(<const unsigned char*>PyBytes_AS_STRING(entry), &read)
    return entry[:KEY], read.cutoff, read.expiry, read.at


cdef int by_at(const void* one, const void* other) noexcept nogil:
    """Packed entries, oldest first; what remains is ordered too, so that equal tables export equal bytes."""
    cdef int order = memcmp(<const char*>one + 24, <const char*>other + 24, 8)
    return order if order else memcmp(one, other, SIZE)


# ---- the table ----


@cython.final
cdef class Revocations:
    """Several entries may stand under one key.

    In force for a key is the largest cut-off among its live entries later (by ``at``) than the key's last live
    tombstone and the last reset; at a tie the tombstone counts.
    """

    def __cinit__(self, max_entries):
        if not 1 <= max_entries < 1 << 31:
            raise ValueError("max_entries is 1 to 2**31 - 1")
        self.most = max_entries
        cdef bytes seed = os.urandom(sizeof(self.slots.seed))
        memcpy(self.slots.seed, PyBytes_AS_STRING(seed), sizeof(self.slots.seed))
        if not slots_init(&self.slots):
            raise MemoryError
        self.clock = INT64_MIN
        self.ends = self.lift_ends = self.lift_ends_beyond = INT64_MAX
        self.changed()

    def __dealloc__(self):
        slots_free(&self.slots)

    def __len__(self):
        return <Py_ssize_t>self.slots.count

    cdef void changed(self) noexcept nogil:
        global ticker
        ticker += 1
        self.sequence = ticker

    cdef void tell_time(self, int64_t now) noexcept nogil:
        """A tombstone that lapses may leave a revocation in force, and so may a clock that is set back."""
        if now < self.clock:
            self.changed()
        if now >= self.lift_ends:
            self.changed()
            self.lift_ends = now + 1 if now < INT64_MAX else now  # until `expire` has been round, look every second
        self.clock = now

    # -- writing --

    cdef bint insert(self, Cursor* where, const Entry* entry) noexcept nogil:
        if not slots_insert(&self.slots, where, entry):
            return False
        if memcmp(entry.key, every_key, KEY) == 0:
            self.everyone += 1
            self.wild += entry.cutoff != LIFTS
        return True

    cdef void remove(self, Cursor* where) noexcept nogil:
        cdef const Entry* entry = slot(where.area, where.i)
        if memcmp(entry.key, every_key, KEY) == 0:
            self.everyone -= 1
            self.wild -= entry.cutoff != LIFTS
        slots_remove(&self.slots, where)

    cdef int put(self, const Entry* entry, list log) except -1:
        """Whether it makes a difference.  What it makes idle goes; ``log`` (or None) tells how to take both back."""
        cdef uint64_t hashed = hash_of(&self.slots, entry.key)
        cdef Cursor where = seek(&self.slots, hashed)
        cdef Cursor here = where
        cdef const Entry* other = in_run(&self.slots, &here, hashed)
        cdef bint makes_idle = False
        while other != NULL:
            if memcmp(other.key, entry.key, KEY) == 0:
                if covers(other, entry):
                    return 0
                makes_idle |= covers(entry, other)
            here.i += 1
            other = in_run(&self.slots, &here, hashed)
        if not self.insert(&where, entry):  # first: without memory nothing may be lost
            raise MemoryError
        if log is not None:
            log.append((True, packed(entry)))
        if makes_idle:
            self.drop_idle(entry, log)
        self.lifts += entry.cutoff == LIFTS
        if entry.expiry != <uint32_t>FOR_EVER:
            self.ends = min(self.ends, <int64_t>entry.expiry)
            if entry.cutoff == LIFTS:
                self.lift_ends = min(self.lift_ends, <int64_t>entry.expiry)
                self.lift_ends_beyond = min(self.lift_ends_beyond, <int64_t>entry.expiry)
        return 1

    cdef int drop_idle(self, const Entry* entry, list log) except -1:
        """Drops what ``entry``, which is in the table, covers."""
        cdef uint64_t hashed = hash_of(&self.slots, entry.key)
        cdef Cursor here = seek(&self.slots, hashed)
        cdef const Entry* other = in_run(&self.slots, &here, hashed)
        while other != NULL:
            if memcmp(other.key, entry.key, KEY) == 0 and covers(entry, other) and not covers(other, entry):
                if log is not None:
                    log.append((False, packed(other)))
                self.remove(&here)
            else:
                here.i += 1
            other = in_run(&self.slots, &here, hashed)
        return 0

    cdef int take_back(self, list log) except -1:
        """Undoes what ``put`` logged: the table is as it was."""
        cdef Entry entry
        cdef Cursor here
        cdef bytes text
        for added, text in reversed(log):
            read_entry(<const unsigned char*>PyBytes_AS_STRING(text), &entry)
            here = seek(&self.slots, hash_of(&self.slots, entry.key))
            if not added:
                if not self.insert(&here, &entry):
                    raise MemoryError
                continue
            while memcmp(slot(here.area, here.i), &entry, sizeof(Entry)) != 0:
                here.i += 1
            self.remove(&here)
        return 0

    cdef void drop_expired(self, int64_t now) noexcept nogil:
        """All of them at once: only where the limit leaves no choice."""
        cdef Cursor here = seek(&self.slots, 0)
        cdef size_t budget = ENOUGH
        cdef const Entry* entry = slots_walk(&self.slots, &here, &budget)
        cdef int64_t ends = INT64_MAX
        while entry != NULL:
            if is_live(entry, now):
                if entry.expiry != <uint32_t>FOR_EVER:
                    ends = min(ends, <int64_t>entry.expiry)
                here.i += 1
            else:
                self.remove(&here)
            entry = slots_walk(&self.slots, &here, &budget)
        self.ends = ends

    def apply(self, bytes entries not None, now):
        """Add packed entries not yet held, skipping expired ones and those that others of their key make idle.

        Returns how many were new.  Raises Full before changing anything when they would not fit after dropping the
        expired; ValueError when the length is no multiple of 32.
        """
        cdef const unsigned char* p = <const unsigned char*>PyBytes_AS_STRING(entries)
        cdef size_t count = <size_t>PyBytes_GET_SIZE(entries) // SIZE
        cdef int64_t time = saturated(now)
        cdef uint64_t latest = self.latest
        cdef Py_ssize_t new = 0
        cdef list log = None
        cdef Entry entry
        cdef size_t i
        if count * SIZE != <size_t>PyBytes_GET_SIZE(entries):
            raise ValueError("entries have 32 bytes each")
        self.tell_time(time)
        if self.slots.count + count > self.most:
            if time >= self.ends:
                self.drop_expired(time)
            log = []
        try:
            for i in range(count):
                if i + AHEAD < count:
                    prefetch(first_read(&self.slots, p + (i + AHEAD) * SIZE))
                read_entry(p + i * SIZE, &entry)
                if entry.expiry != 0 and is_live(&entry, time):
                    new += self.put(&entry, log)
                    latest = max(latest, entry.at)
            if self.slots.count > self.most:
                self.take_back(log)
                new = 0
                raise Full(f"{self.most} revocations are held, and {count} more do not fit")
        finally:
            if new:
                self.changed()
        self.latest = latest
        return new

    def expire(self, now, Py_ssize_t budget):
        """Drop expired entries, looking at about ``budget`` slots; returns how many were dropped.

        Each call goes on where the last one ended, and takes growing and shrinking on by as much.
        """
        cdef int64_t time = saturated(now)
        cdef size_t left = <size_t>max(0, budget)
        cdef size_t before = self.slots.count
        cdef Cursor here
        cdef const Entry* entry
        self.tell_time(time)
        slots_move(&self.slots, left)
        here = seek(&self.slots, self.round)
        entry = slots_walk(&self.slots, &here, &left)
        while entry != NULL:
            if not is_live(entry, time):
                self.remove(&here)
            else:
                if entry.cutoff == LIFTS and entry.expiry != <uint32_t>FOR_EVER:
                    self.lift_ends_beyond = min(self.lift_ends_beyond, <int64_t>entry.expiry)
                here.i += 1
            entry = slots_walk(&self.slots, &here, &left)
        self.round = slots_position(&self.slots, &here)
        if self.round == SLOTS_END:
            self.round = 0
            self.lift_ends = self.lift_ends_beyond
            self.lift_ends_beyond = INT64_MAX
        return <Py_ssize_t>(before - self.slots.count)

    # -- reading --

    cdef void fold_lifts(self, const unsigned char* key, int64_t now, Lift* lift) noexcept nogil:
        cdef uint64_t hashed = hash_of(&self.slots, key)
        cdef Cursor here = seek(&self.slots, hashed)
        cdef const Entry* entry = in_run(&self.slots, &here, hashed)
        while entry != NULL:
            if entry.cutoff == LIFTS and is_live(entry, now) and memcmp(entry.key, key, KEY) == 0:
                lift.at = max(lift.at, entry.at)
                lift.any = True
            here.i += 1
            entry = in_run(&self.slots, &here, hashed)

    cdef uint32_t largest(self, const unsigned char* key, int64_t now, const Lift* lift) noexcept nogil:
        """The largest cut-off among the key's own live entries that are later than ``lift``."""
        cdef uint64_t hashed = hash_of(&self.slots, key)
        cdef Cursor here = seek(&self.slots, hashed)
        cdef const Entry* entry = in_run(&self.slots, &here, hashed)
        cdef uint32_t found = 0
        while entry != NULL:
            if entry.cutoff > found and is_live(entry, now) and memcmp(entry.key, key, KEY) == 0:
                if not lift.any or entry.at > lift.at:
                    found = entry.cutoff
            here.i += 1
            entry = in_run(&self.slots, &here, hashed)
        return found

    cdef uint32_t in_force(self, const unsigned char* key, int64_t now, const Lift* reset) noexcept nogil:
        cdef uint32_t found
        cdef Lift lift = reset[0]
        if self.wild == 0 and self.largest(key, now, reset) == 0:
            return 0  # nearly always
        self.fold_lifts(key, now, &lift)
        found = self.largest(key, now, &lift)
        # A cut-off under the key of a reset stands for every key: the reading that refuses.
        return max(found, self.largest(every_key, now, &lift)) if self.wild else found

    cdef Lift last_reset(self, int64_t now) noexcept nogil:
        cdef Lift lift
        lift.any = False
        lift.at = 0
        if self.everyone:
            self.fold_lifts(every_key, now, &lift)
        return lift

    cdef Py_ssize_t first_revoked(
        self, const unsigned char* keys, size_t count, int64_t issued_at, int64_t now
    ) noexcept nogil:
        cdef Lift reset = self.last_reset(now)
        cdef uint32_t cutoff
        cdef size_t i
        for i in range(count):
            prefetch(first_marks(&self.slots, keys + i * KEY))
        for i in range(count):
            if self.wild == 0 and not may_hold(&self.slots, keys + i * KEY):
                continue  # nearly always
            cutoff = self.in_force(keys + i * KEY, now, &reset)
            if cutoff != 0 and (cutoff == <uint32_t>FOR_EVER or issued_at <= cutoff):
                return <Py_ssize_t>i
        return -1

    def revoked(self, bytes keys not None, issued_at, now):
        """Index of the first of the concatenated 16-byte keys in force with ``issued_at <= cutoff``; -1 if none."""
        cdef size_t count = <size_t>PyBytes_GET_SIZE(keys) // KEY
        if count * KEY != <size_t>PyBytes_GET_SIZE(keys):
            raise ValueError("keys have 16 bytes each")
        return self.first_revoked(
            <const unsigned char*>PyBytes_AS_STRING(keys), count, saturated(issued_at), saturated(now)
        )

    def cutoff(self, bytes key not None, now):
        """The cut-off in force for a key (0 if none)."""
        cdef int64_t time = saturated(now)
        cdef Lift reset = self.last_reset(time)
        if PyBytes_GET_SIZE(key) != KEY:
            raise ValueError("a key has 16 bytes")
        return self.in_force(<const unsigned char*>PyBytes_AS_STRING(key), time, &reset)

    def latest_at(self):
        """The largest ``at`` ever held (0 if none): it does not fall when entries expire."""
        return self.latest

    def page(self, now, uint64_t position, Py_ssize_t budget):
        """(live entries, packed; the position to go on at, 0 at the end), looking at about ``budget`` slots.

        In no particular order.  From position 0 to the end it tells once whatever stays in the table meanwhile.
        """
        cdef int64_t time = saturated(now)
        cdef size_t left = <size_t>max(1, budget)
        cdef Cursor here = seek(&self.slots, position)
        cdef list found = []
        cdef const Entry* entry = slots_walk(&self.slots, &here, &left)
        while entry != NULL:
            if is_live(entry, time):
                found.append(packed(entry))
            here.i += 1
            entry = slots_walk(&self.slots, &here, &left)
        position = slots_position(&self.slots, &here)
        return b"".join(found), position if position != SLOTS_END else 0

    def export(self, now):
        """All live entries, packed, oldest ``at`` first.  At once; ``page`` is for tables whose size is felt."""
        cdef int64_t time = saturated(now)
        cdef bytes found = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(self.slots.count * SIZE))
        cdef unsigned char* p = <unsigned char*>PyBytes_AS_STRING(found)
        cdef size_t budget = ENOUGH, count = 0
        cdef Cursor here = seek(&self.slots, 0)
        cdef const Entry* entry = slots_walk(&self.slots, &here, &budget)
        while entry != NULL:
            if is_live(entry, time):
                write_entry(entry, p + count * SIZE)
                count += 1
            here.i += 1
            entry = slots_walk(&self.slots, &here, &budget)
        with nogil:
            qsort(p, count, SIZE, by_at)
        return found[: count * SIZE]

    def memory(self):
        """Bytes held."""
        return slots_memory(&self.slots)

    def marks(self):
        """How many keys' marks stand, for tests: one for each key, less those that share theirs."""
        return slots_marks(&self.slots)


cdef bytes packed(const Entry* entry):
    cdef unsigned char[SIZE] out
    write_entry(entry, out)
    return PyBytes_FromStringAndSize(<char*>out, SIZE)
