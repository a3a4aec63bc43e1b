"""The strict scan of one JSON text (RFC 8259) that comes before orjson, which keeps the last of two members silently.

What passes is UTF-8, follows the grammar to the last byte, has an object at the top, keeps the depth and the number of
members within limits, and has no two members of one name in one object once escapes are decoded.  No value is built.
"""

from libc.stdint cimport UINT32_MAX, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from bearerd._native.ascii cimport hex_value, is_digit, utf8_length
from bearerd._native.digest cimport keyed128_into

cdef extern from "<endian.h>" nogil:
    uint64_t le64toh(uint64_t) noexcept

cdef extern from *:
    int ctzll "__builtin_ctzll"(uint64_t) noexcept nogil

cdef const uint64_t EACH = 0x0101010101010101

cdef enum:
    MAX_DEPTH = 1024  # a larger max_depth is read as this one: what the stack below holds

cdef const char* NO_MEMORY = b""
cdef const char* SYNTAX = b"not JSON"
cdef const char* NOT_OBJECT = b"not a JSON object"
cdef const char* BAD_STRING = b"a JSON string is not valid"
cdef const char* TOO_DEEP = b"JSON nested too deep"
cdef const char* TOO_MANY = b"too many JSON members"
cdef const char* DUPLICATE = b"a JSON object has two members of one name"

# The names of all objects of a text, as keyed digests in one open-addressed table that is never more than half full.
# The key is secret, so a stranger cannot aim names at one slot: a text of n bytes costs O(n) and at most
# 64 * min(max_members, n / 4) + n bytes of memory.  Two names with one digest would be refused, never confused.

cdef struct Slot:
    uint64_t low  # both zero: free
    uint64_t high

cdef struct Scan:
    const unsigned char* p
    size_t n
    size_t i  # the next byte; never beyond n
    Slot* slots
    size_t mask
    unsigned char* scratch  # n bytes for a name with its escapes decoded
    size_t members  # that may still come
    uint32_t objects  # begun so far


cdef inline unsigned char peek(const Scan* s) noexcept nogil:
    """The next byte; 0, which is no JSON outside strings, at the end."""
    return s.p[s.i] if s.i < s.n else 0


cdef inline void skip_space(Scan* s) noexcept nogil:
    while s.i < s.n and (s.p[s.i] == c' ' or s.p[s.i] == c'\n' or s.p[s.i] == c'\r' or s.p[s.i] == c'\t'):
        s.i += 1


cdef inline bint take(Scan* s, unsigned char c) noexcept nogil:
    if peek(s) != c:
        return False
    s.i += 1
    return True


cdef int code_unit(const unsigned char* p, size_t left) noexcept nogil:
    r"""The UTF-16 code unit of the escape ``\uXXXX`` at ``p``, or -1 if it is none."""
    cdef int unit = 0, digit
    cdef size_t i
    if left < 6 or p[0] != c'\\' or p[1] != c'u':
        return -1
    for i in range(2, 6):
        digit = hex_value(p[i])
        if digit < 0:
            return -1
        unit = unit << 4 | digit
    return unit


cdef size_t escape_at(const unsigned char* p, size_t left, uint32_t* character) noexcept nogil:
    r"""Length of the escape at ``p`` and the character it stands for; 0 if it is none, or half a surrogate pair."""
    cdef int unit, low
    if left < 2:
        return 0
    if p[1] == c'u':
        unit = code_unit(p, left)
        if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
            return 0
        character[0] = <uint32_t>unit
        if not 0xD800 <= unit <= 0xDBFF:
            return 6
        low = code_unit(p + 6, left - 6)
        if not 0xDC00 <= low <= 0xDFFF:
            return 0
        character[0] = 0x10000 + (<uint32_t>(unit - 0xD800) << 10) + <uint32_t>(low - 0xDC00)
        return 12
    if p[1] == c'"' or p[1] == c'\\' or p[1] == c'/':
        character[0] = p[1]
    elif p[1] == c'b':
        character[0] = 8
    elif p[1] == c'f':
        character[0] = 12
    elif p[1] == c'n':
        character[0] = 10
    elif p[1] == c'r':
        character[0] = 13
    elif p[1] == c't':
        character[0] = 9
    else:
        return 0
    return 2


cdef size_t encode_utf8(uint32_t character, unsigned char* out) noexcept nogil:
    """Writes 1-4 bytes: never more than the shortest escape of that character takes."""
    if character < 0x80:
        out[0] = <unsigned char>character
        return 1
    if character < 0x800:
        out[0] = <unsigned char>(0xC0 | character >> 6)
        out[1] = <unsigned char>(0x80 | character & 0x3F)
        return 2
    if character < 0x10000:
        out[0] = <unsigned char>(0xE0 | character >> 12)
        out[1] = <unsigned char>(0x80 | character >> 6 & 0x3F)
        out[2] = <unsigned char>(0x80 | character & 0x3F)
        return 3
    out[0] = <unsigned char>(0xF0 | character >> 18)
    out[1] = <unsigned char>(0x80 | character >> 12 & 0x3F)
    out[2] = <unsigned char>(0x80 | character >> 6 & 0x3F)
    out[3] = <unsigned char>(0x80 | character & 0x3F)
    return 4


cdef inline size_t plain_characters(const unsigned char* p, size_t n) noexcept nogil:
    """How many ASCII characters stand here that mean themselves: most of any token."""
    cdef size_t i = 0
    cdef uint64_t word, special
    while i + 8 <= n:
        memcpy(&word, p + i, 8)
        word = le64toh(word)
        # In each byte the high bit, where it is a control character, a quote, a backslash, or no ASCII.  A borrow may set the bit of
        # a byte above such a one, never below: the lowest that is set is true.
        special = (
            (word - EACH * 0x20) | ((word ^ EACH * c'"') - EACH) | ((word ^ EACH * c'\\') - EACH) | word
        ) & EACH * 0x80
        if special:
            return i + (<size_t>ctzll(special) >> 3)
        i += 8
    while i < n and 0x20 <= p[i] < 0x80 and p[i] != c'"' and p[i] != c'\\':
        i += 1
    return i


cdef const char* read_string(Scan* s, bint* escaped) noexcept nogil:
    """Read past the closing quote (the opening one is read); ``escaped`` tells whether an escape was seen."""
    cdef unsigned char c
    cdef uint32_t character
    cdef size_t length, plain
    escaped[0] = False
    while s.i < s.n:
        plain = plain_characters(s.p + s.i, s.n - s.i)
        s.i += plain
        if plain:
            continue
        c = s.p[s.i]
        if c == c'"':
            s.i += 1
            return NULL
        if c == c'\\':
            escaped[0] = True
            length = escape_at(s.p + s.i, s.n - s.i, &character)
        elif c < 0x20:
            length = 0
        else:
            length = utf8_length(s.p + s.i, s.n - s.i)
        if length == 0:
            return BAD_STRING
        s.i += length
    return BAD_STRING


cdef size_t unescape(const unsigned char* p, size_t n, unsigned char* out) noexcept nogil:
    """Decode what ``read_string`` found good; the length, at most ``n``."""
    cdef size_t i = 0, length = 0, step
    cdef uint32_t character
    while i < n:
        if p[i] == c'\\':
            step = escape_at(p + i, n - i, &character)
            if step == 0:  # cannot be
                break
            i += step
            length += encode_utf8(character, out + length)
        else:
            out[length] = p[i]
            length += 1
            i += 1
    return length


cdef bint is_new_name(Scan* s, uint32_t owner, const unsigned char* name, size_t n) noexcept nogil:
    """Enter a name of the object ``owner``; False if that object has it already."""
    cdef unsigned char[20] nested
    cdef Slot digest
    cdef Slot* slot
    cdef size_t at
    keyed128_into(name, n, <unsigned char*>&digest)
    if owner > 1:  # inner objects: the same name in another object is another entry
        memcpy(nested, &digest, 16)
        memcpy(nested + 16, &owner, 4)
        keyed128_into(nested, 20, <unsigned char*>&digest)
    digest.low |= digest.high == 0  # not the mark of a free slot
    at = <size_t>digest.low & s.mask
    while True:
        slot = s.slots + at
        if slot.low == 0 and slot.high == 0:
            slot[0] = digest
            return True
        if slot.low == digest.low and slot.high == digest.high:
            return False
        at = (at + 1) & s.mask


cdef const char* read_name(Scan* s, uint32_t owner) noexcept nogil:
    """Read a member's name and its colon."""
    cdef size_t start, length
    cdef bint escaped
    cdef const unsigned char* name
    cdef const char* fault
    skip_space(s)
    if not take(s, c'"'):
        return SYNTAX
    start = s.i
    fault = read_string(s, &escaped)
    if fault != NULL:
        return fault
    if s.members == 0:
        return TOO_MANY
    s.members -= 1
    name = s.p + start
    length = s.i - 1 - start
    if escaped:
        length = unescape(name, length, s.scratch)
        name = s.scratch
    if not is_new_name(s, owner, name, length):
        return DUPLICATE
    skip_space(s)
    if not take(s, c':'):
        return SYNTAX
    return NULL


cdef inline bint read_digits(Scan* s) noexcept nogil:
    """One or more."""
    cdef size_t start = s.i
    while is_digit(peek(s)):
        s.i += 1
    return s.i > start


cdef bint read_number(Scan* s) noexcept nogil:
    take(s, c'-')
    if not take(s, c'0') and not read_digits(s):
        return False
    if take(s, c'.') and not read_digits(s):
        return False
    if take(s, c'e') or take(s, c'E'):
        if not take(s, c'+'):
            take(s, c'-')
        return read_digits(s)
    return True


cdef inline bint read_word(Scan* s, const char* word, size_t length) noexcept nogil:
    if s.n - s.i < length or memcmp(s.p + s.i, word, length) != 0:
        return False
    s.i += length
    return True


cdef const char* read_scalar(Scan* s) noexcept nogil:
    cdef bint escaped, good
    cdef unsigned char c = peek(s)
    if c == c'"':
        s.i += 1
        return read_string(s, &escaped)
    if c == c'-' or is_digit(c):
        good = read_number(s)
    else:
        good = read_word(s, b"true", 4) or read_word(s, b"false", 5) or read_word(s, b"null", 4)
    if not good:
        return SYNTAX
    return NULL


cdef const char* read_text(Scan* s, Py_ssize_t max_depth) noexcept nogil:
    """One object, and nothing after it.  Nesting is kept in ``owners``, not on the C stack."""
    cdef uint32_t[MAX_DEPTH] owners  # of each open container: an object's number (from 1), or 0 for an array
    cdef Py_ssize_t depth = 0
    cdef const char* fault
    cdef unsigned char c
    skip_space(s)
    if peek(s) != c'{':
        return NOT_OBJECT
    while True:
        # A value begins here.
        skip_space(s)
        c = peek(s)
        if c == c'{' or c == c'[':
            if depth >= max_depth:
                return TOO_DEEP
            s.i += 1
            if c == c'{':
                s.objects += 1
            owners[depth] = s.objects if c == c'{' else 0
            depth += 1
            skip_space(s)
            if peek(s) != (c'}' if c == c'{' else c']'):
                if c == c'{':
                    fault = read_name(s, owners[depth - 1])
                    if fault != NULL:
                        return fault
                continue
        else:
            fault = read_scalar(s)
            if fault != NULL:
                return fault
        # A value has ended, or an empty container is about to.
        while True:
            skip_space(s)
            if depth == 0:
                if s.i != s.n:
                    return SYNTAX
                return NULL
            if take(s, c'}' if owners[depth - 1] else c']'):
                depth -= 1
            elif take(s, c','):
                if owners[depth - 1]:
                    fault = read_name(s, owners[depth - 1])
                    if fault != NULL:
                        return fault
                break
            else:
                return SYNTAX


cdef const char* scan_text(
    const unsigned char* p, size_t n, Py_ssize_t max_depth, Py_ssize_t max_members
) noexcept nogil:
    cdef Scan s
    cdef size_t slots = 2
    cdef const char* fault
    if n > UINT32_MAX:  # objects are numbered in 32 bits
        return TOO_MANY
    s.p = p
    s.n = n
    s.i = 0
    s.objects = 0
    s.members = <size_t>max_members if max_members > 0 else 0
    # The shortest member, `"":0`, takes four bytes.
    while slots <= 2 * (s.members if s.members < n // 4 else n // 4):
        slots *= 2
    s.mask = slots - 1
    s.slots = <Slot*>calloc(1, slots * sizeof(Slot) + n)
    if s.slots == NULL:
        return NO_MEMORY
    s.scratch = <unsigned char*>(s.slots + slots)
    fault = read_text(&s, max_depth if max_depth < MAX_DEPTH else MAX_DEPTH)
    free(s.slots)
    return fault
