"""Verified tokens: bounded in entries and bytes, keyed by a keyed digest of the exact token bytes.

What is found is judged at every look-up: by both clocks, by the generations of the configuration and of the issuer's
keys, and by the revocations.  A flood of tokens that nobody signed never gets here; one of good tokens evicts the least
recently used, one for one.
"""

from enum import IntEnum

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from bearerd._native.digest cimport keyed128_of
from bearerd._native.entry cimport saturated, whole_seconds
from bearerd._native.generations cimport Generations
from bearerd._native.revocations cimport Revocations
from bearerd._native.shelf cimport (
    NOBODY, PROBE, Answer, Token, shelf_add, shelf_answer, shelf_block, shelf_clear, shelf_find, shelf_free, shelf_init,
    shelf_longest_chain, shelf_prepare, shelf_record, shelf_remove, shelf_size, shelf_touch,
)

cdef enum:
    MOST_PROBES = 16
    MOST_ENTRIES = 1 << 30
    MOST_ANSWER = 0xFFFF  # bytes: mask, text and what heads them, as a length of 16 bits
    LATELY = 1 << 10  # records that are kept as they were read
    WAYS = 4  # places that each has to choose from: at one each, a few hundred tokens would push each other out


class Found(IntEnum):
    """What a look-up found."""

    MISS = 0
    HIT = 1
    EXPIRED = 2  # by either clock; the entry is gone
    REVOKED = 3  # the entry stays: a revoked good token must not cost a signature check again
    KEYS_CHANGED = 4  # the issuer's key set has another generation: is the verifying key still there?
    CONFIG_CHANGED = 5  # the entry is gone: verify anew


cdef tuple FOUND = tuple(Found)


cdef inline Py_ssize_t places_of(const unsigned char* digest16) noexcept nogil:
    """The first of them."""
    return (digest16[0] & (LATELY // WAYS - 1)) * WAYS


cdef inline bint is_good(const Answer* answer, double wall, double boot) noexcept nogil:
    """Asked so that no NaN is in time; and not before it was decided: a clock that falls ends it, too."""
    return answer.since_wall <= wall < answer.until_wall and boot < answer.until_boot


cdef inline bint says(
    const Answer* answer, size_t words, const unsigned char* text, size_t size
) noexcept nogil:
    """Whether it is this text."""
    if answer.words != words or answer.size != size:
        return False
    return memcmp(<const unsigned char*>(answer + 1) + 8 * words, text, size) == 0


@cython.final
cdef class _Said:
    pass


@cython.final
cdef class TokenCache:
    """Flat records without Python objects; the least recently used goes first.  Grows incrementally.

    Whoever asks is given what ``reads`` makes of the record and of the generation of its issuer's keys; that is not kept
    but for the 1,024 tokens that were asked for lately, and never beyond a change of the record.

    ``bytes`` counts all that an entry holds: what it keeps, as the allocator rounds it, and 100 bytes for its record.
    ``hits`` counts HIT and REVOKED, ``misses`` MISS, EXPIRED and CONFIG_CHANGED; KEYS_CHANGED is decided by what follows.
    """

    def __cinit__(self, Py_ssize_t max_entries, Py_ssize_t max_bytes, reads=None):
        if not 1 <= max_entries <= MOST_ENTRIES:
            raise ValueError(f"max_entries is 1 to {MOST_ENTRIES}")
        if max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        if not shelf_init(&self.shelf, <size_t>max_entries, <size_t>max_bytes):
            raise MemoryError
        self.reads = reads
        self.lately = [None] * LATELY

    def __dealloc__(self):
        shelf_free(&self.shelf)

    cdef object said(self, const unsigned char* digest16, size_t length, uint32_t index):
        cdef const Token* token = shelf_record(&self.shelf, index)
        cdef Py_ssize_t place = self.lately_at(digest16)
        cdef _Said said
        if place >= 0:
            said = <_Said>PyList_GET_ITEM(self.lately, place)
            if said.length == length:
                self.say(said, place)
                return said.what
        record = PyBytes_FromStringAndSize(
            <const char*>shelf_block(&self.shelf, index)[0] + PROBE * <size_t>token.probes, <Py_ssize_t>token.record_size
        )
        if self.reads is None:
            return record
        said = _Said.__new__(_Said)
        memcpy(said.digest, digest16, 16)
        said.length = length
        said.what = self.reads(record, token.key_generation)
        self.say(said, place if place >= 0 else places_of(digest16) + WAYS - 1)
        return said.what

    cdef int say(self, _Said said, Py_ssize_t place) except -1:
        """At the first of its places, and those before ``place`` one behind; who was there is forgotten."""
        cdef Py_ssize_t first = places_of(said.digest)
        while place > first:
            self.lately[place] = self.lately[place - 1]
            place -= 1
        self.lately[place] = said
        return 0

    cdef Py_ssize_t lately_at(self, const unsigned char* digest16):
        """Its place; -1 where it was not asked for lately."""
        cdef Py_ssize_t first = places_of(digest16), place
        cdef object kept
        for place in range(first, first + WAYS):
            kept = <object>PyList_GET_ITEM(self.lately, place)
            if kept is not None and memcmp((<_Said>kept).digest, digest16, 16) == 0:
                return place
        return -1

    cdef int unsay(self, const unsigned char* digest16) except -1:
        cdef Py_ssize_t place = self.lately_at(digest16)
        if place >= 0:
            self.lately[place] = None
        return 0

    cdef Lookup look_up(
        self, const unsigned char* digest16, size_t length, double wall, double boot,
        Generations generations, Revocations revocations,
    ) noexcept nogil:
        cdef Lookup result
        cdef Token* token
        cdef const unsigned char* probes
        cdef int64_t now
        result.index = shelf_find(&self.shelf, digest16, length)
        if result.index == <uint32_t>NOBODY:
            result.found = Finding.MISS
            return result
        token = shelf_record(&self.shelf, result.index)
        # Asked so that no NaN is in time.  By boot time, too: a wall clock that is set back revives nothing.
        if not (wall < token.until_wall and boot < token.until_boot):
            result.found = Finding.EXPIRED
        elif token.config_generation != generations.config:
            result.found = Finding.CONFIG_CHANGED
        else:
            shelf_touch(&self.shelf, result.index)
            if token.key_generation != generations.of_issuer(token.issuer):
                result.found = Finding.KEYS_CHANGED
                return result
            now = whole_seconds(wall)
            revocations.tell_time(now)
            result.found = Finding.HIT
            if token.cleared != revocations.sequence:
                token.cleared = revocations.sequence
                probes = shelf_block(&self.shelf, result.index)[0]
                if revocations.first_revoked(probes, token.probes, token.issued_at, now) >= 0:
                    token.cleared = 0  # asked again each time: a lift, or the end of the revocation, counts at once
                    result.found = Finding.REVOKED
            return result
        shelf_remove(&self.shelf, result.index)
        result.index = <uint32_t>NOBODY
        return result

    cdef const unsigned char* prepared(
        self, uint32_t index, uint32_t route, size_t bit, double wall, double boot, size_t* size
    ) noexcept nogil:
        cdef const Answer* answer = shelf_answer(&self.shelf, index, route)
        cdef const uint64_t* mask
        if answer == NULL or bit >= 64 * <size_t>answer.words:
            return NULL
        mask = <const uint64_t*>(answer + 1)
        if not mask[bit >> 6] >> (bit & 63) & 1 or not is_good(answer, wall, boot):
            return NULL
        size[0] = answer.size
        return <const unsigned char*>(mask + answer.words)

    cdef void prepare(
        self, const unsigned char* digest16, size_t length, uint32_t route, size_t words, size_t bit,
        double until_wall, double until_boot, double wall, double boot, const unsigned char* text, size_t size,
    ) noexcept nogil:
        cdef uint32_t index = shelf_find(&self.shelf, digest16, length)
        cdef Answer* answer
        cdef uint64_t* mask
        if index == <uint32_t>NOBODY or sizeof(Answer) + 8 * words + size > MOST_ANSWER or bit >= 64 * words:
            return
        answer = shelf_answer(&self.shelf, index, route)
        if answer != NULL and says(answer, words, text, size) and is_good(answer, wall, boot):
            # One text for several rules: good for as long as the decision that ends first.
            until_wall = min(answer.until_wall, until_wall)
            until_boot = min(answer.until_boot, until_boot)
        else:
            answer = shelf_prepare(&self.shelf, index, route, <uint16_t>words, <uint16_t>size)
            if answer == NULL:
                return
            memset(answer + 1, 0, 8 * words)
            memcpy(<unsigned char*>(answer + 1) + 8 * words, text, size)
        answer.since_wall = wall
        answer.until_wall = until_wall
        answer.until_boot = until_boot
        mask = <uint64_t*>(answer + 1)
        mask[bit >> 6] |= <uint64_t>1 << (bit & 63)

    def find(
        self, bytes token not None, double wall, double boot,
        Generations generations not None, Revocations revocations not None,
    ):
        """Look a token up and check time, generations and revocations (re-probed when ``revocations.sequence`` moved).

        ``wall`` and ``boot`` in seconds.  What the record says comes with HIT, REVOKED and KEYS_CHANGED.
        """
        cdef Finding found
        said = self.seek(token, wall, boot, generations, revocations, &found)
        return FOUND[<Py_ssize_t>found], said

    cdef object seek(
        self, bytes token, double wall, double boot, Generations generations, Revocations revocations, Finding* found
    ):
        cdef unsigned char[16] digest
        cdef size_t length = keyed128_of(token, digest)
        cdef Lookup result = self.look_up(digest, length, wall, boot, generations, revocations)
        found[0] = result.found
        if result.found == Finding.HIT or result.found == Finding.REVOKED:
            self.hits += 1
        elif result.found != Finding.KEYS_CHANGED:
            self.misses += 1
        return None if result.index == <uint32_t>NOBODY else self.said(digest, length, result.index)

    def put(
        self, bytes token not None, bytes record not None, Py_ssize_t issuer, uint32_t key_generation,
        uint32_t config_generation, issued_at, double until_wall, double until_boot, bytes probes not None,
    ):
        """Keep a verified token: ``record`` is opaque, ``probes`` the concatenated 16-byte revocation keys (at most 16).

        ``issuer`` is its index (16 bits), ``issued_at`` floor(iat), ``until_wall`` and ``until_boot`` are the seconds by
        each clock from which it is EXPIRED.  What these bytes had before is replaced.  An entry that has no room in
        ``max_bytes`` by itself is not kept.
        """
        self.keep(
            token, record, issuer, key_generation, config_generation, saturated(issued_at), until_wall, until_boot, probes
        )

    cdef int keep(
        self, bytes token, bytes record, Py_ssize_t issuer, uint32_t key_generation, uint32_t config_generation,
        int64_t issued_at, double until_wall, double until_boot, bytes probes,
    ) except -1:
        cdef Token entry
        cdef Py_ssize_t length = PyBytes_GET_SIZE(token)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(record)
        cdef Py_ssize_t probed = PyBytes_GET_SIZE(probes)
        if not 0 <= issuer <= 0xFFFF:
            raise ValueError("an issuer's index has 16 bits")
        if probed % PROBE != 0 or probed > MOST_PROBES * PROBE:
            raise ValueError("probes are at most 16 keys of 16 bytes")
        memset(&entry, 0, sizeof(Token))
        entry.issued_at = issued_at
        entry.until_wall = until_wall
        entry.until_boot = until_boot
        entry.length = <uint32_t>length
        entry.key_generation = key_generation
        entry.config_generation = config_generation
        entry.record_size = <uint32_t>size
        entry.issuer = <uint16_t>issuer
        entry.probes = <uint8_t>(probed // PROBE)
        keyed128_of(token, entry.digest)
        self.forget(entry.digest, <size_t>length)
        if length <= <Py_ssize_t>0xFFFFFFFF and size <= <Py_ssize_t>0xFFFFFFFF:
            shelf_add(
                &self.shelf, &entry,
                <const unsigned char*>PyBytes_AS_STRING(probes),
                <const unsigned char*>PyBytes_AS_STRING(record),
            )
        return 0

    def record_of(self, bytes digest not None, Py_ssize_t length):
        """What the record under a keyed digest says, unjudged: for what was decided a moment ago.  None where it has gone."""
        cdef uint32_t index = <uint32_t>NOBODY
        if PyBytes_GET_SIZE(digest) == 16:
            index = shelf_find(&self.shelf, <const unsigned char*>PyBytes_AS_STRING(digest), <size_t>length)
        if index == <uint32_t>NOBODY:
            return None
        return self.said(<const unsigned char*>PyBytes_AS_STRING(digest), <size_t>length, index)

    def renew(self, bytes token not None, uint32_t key_generation):
        """The verifying key is still in the issuer's set of this generation."""
        cdef unsigned char[16] digest
        cdef size_t length = keyed128_of(token, digest)
        cdef uint32_t index = shelf_find(&self.shelf, digest, length)
        if index != <uint32_t>NOBODY:
            self.unsay(digest)
            shelf_record(&self.shelf, index).key_generation = key_generation

    def drop(self, bytes token not None):
        """Forget a token, if it is known."""
        cdef unsigned char[16] digest
        cdef size_t length = keyed128_of(token, digest)
        self.forget(digest, length)

    cdef int forget(self, const unsigned char* digest16, size_t length) except -1:
        cdef uint32_t index = shelf_find(&self.shelf, digest16, length)
        self.unsay(digest16)
        if index != <uint32_t>NOBODY:
            shelf_remove(&self.shelf, index)
        return 0

    def clear(self):
        """Forget all, and give the memory back.  Takes as long as there are entries; a reload needs only generations."""
        self.lately = [None] * LATELY
        shelf_clear(&self.shelf)

    def memory(self):
        """Bytes held, segments that wait for entries included."""
        return self.shelf.kept + self.shelf.reserved

    def longest_chain(self):
        """How many entries must be compared at most: a few, however many there are.  Looks at all: for diagnosis."""
        return shelf_longest_chain(&self.shelf)

    @property
    def evictions(self):
        """How many entries went to make room for others."""
        return self.shelf.evictions

    @property
    def entries(self):
        """How many tokens are known."""
        return self.shelf.count

    @property
    def bytes(self):
        """What the entries hold: what they keep, as the allocator rounds it, and 100 bytes for the record of each."""
        return shelf_size(&self.shelf)
