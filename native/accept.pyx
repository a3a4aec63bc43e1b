"""Which form of a refusal a client would rather read (RFC 9110 section 12.5.1): one reader for lane and faces.

    Accept        =  list of: range *( OWS ";" OWS [ name "=" value ] )
    range         =  "*/*" / type "/*" / type "/" subtype
    q             =  0, 1, or with a point and up to three digits; 1 where there is none

Of the ranges that fit a form the most exact counts, of equally exact ones the dearest; other parameters than q say nothing
about forms of which there is one each.  The dearest form wins; of equally dear ones the more exactly named (a browser of old
says ``text/html, */*``), then the problem document, then HTML.  ``application/json`` names the problem document, too.

Whatever breaks the grammar or a bound is no wish at all: a program with a bug gets what programs read.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from bearerd._native.ascii cimport is_control, is_digit, is_space, is_token
from bearerd._native.fieldnames cimport same

cdef enum:
    LONGEST = 1024  # bytes; browsers send some 150
    MOST_RANGES = 32
    ALL = 1000  # a quality of 1, in thousandths
    NO_QUALITY = -1
    # How exactly a range names a form.
    ANYTHING = 1
    TYPE = 2
    NAMED = 3

cdef struct Reader:
    const unsigned char* p
    size_t at
    size_t end

cdef struct Wish:  # for one form
    int quality
    int exact  # 0: it was not mentioned

cdef struct Text:
    const unsigned char* p
    size_t length


# ---- the grammar ----


cdef inline bint at_byte(const Reader* reader, unsigned char c) noexcept nogil:
    return reader.at < reader.end and reader.p[reader.at] == c


cdef inline void skip_space(Reader* reader) noexcept nogil:
    while reader.at < reader.end and is_space(reader.p[reader.at]):
        reader.at += 1


cdef inline Text token(Reader* reader) noexcept nogil:
    """As far as there is one: of no length where there is none."""
    cdef Text found
    cdef size_t start = reader.at
    while reader.at < reader.end and is_token(reader.p[reader.at]):
        reader.at += 1
    found.p = reader.p + start
    found.length = reader.at - start
    return found


cdef bint skip_quoted(Reader* reader) noexcept nogil:
    """Past a quoted string (RFC 9110 section 5.6.4); False where it has no end."""
    cdef unsigned char c
    reader.at += 1
    while reader.at < reader.end:
        c = reader.p[reader.at]
        reader.at += 1
        if c == c'"':
            return True
        if c == c'\\':
            if reader.at == reader.end:
                return False
            c = reader.p[reader.at]
            reader.at += 1
        if is_control(c) and c != c'\t':
            return False
    return False


cdef int quality_of(const unsigned char* p, size_t n) noexcept nogil:
    """In thousandths, or NO_QUALITY."""
    cdef int found, worth = 100
    cdef size_t i
    if n == 0 or n > 5 or not c'0' <= p[0] <= c'1' or (n > 1 and p[1] != c'.'):
        return NO_QUALITY
    found = (p[0] - c'0') * ALL
    for i in range(2, n):
        if not is_digit(p[i]):
            return NO_QUALITY
        found += (p[i] - c'0') * worth
        worth //= 10
    return found if found <= ALL else NO_QUALITY


cdef bint read_parameters(Reader* reader, int* quality) noexcept nogil:
    """All that follow a range; False where one is malformed, or a second q."""
    cdef Text name
    cdef size_t start
    quality[0] = NO_QUALITY
    while True:
        skip_space(reader)
        if not at_byte(reader, c';'):
            break
        reader.at += 1
        skip_space(reader)
        name = token(reader)
        if name.length == 0:
            if reader.at == reader.end or at_byte(reader, c';') or at_byte(reader, c','):
                continue  # an empty one
            return False
        if not at_byte(reader, c'='):
            return False
        reader.at += 1
        start = reader.at
        if at_byte(reader, c'"'):
            if not skip_quoted(reader):
                return False
        elif token(reader).length == 0:
            return False
        if name.length == 1 and same(name.p, b"q", 1):
            if quality[0] != NO_QUALITY:
                return False
            quality[0] = quality_of(reader.p + start, reader.at - start)
            if quality[0] == NO_QUALITY:
                return False
    if quality[0] == NO_QUALITY:
        quality[0] = ALL
    return True


cdef bint read_range(Reader* reader, Wish* wishes) noexcept nogil:
    """One range with its parameters, counted; False where it is malformed."""
    cdef Text kind = token(reader), subtype
    cdef int quality
    if kind.length == 0 or not at_byte(reader, c'/'):
        return False
    reader.at += 1
    subtype = token(reader)
    if subtype.length == 0 or (is_any(kind) and not is_any(subtype)) or not read_parameters(reader, &quality):
        return False
    count(wishes + PROBLEM, exactness(kind, subtype, b"application", 11, b"problem+json", 12), quality)
    count(wishes + PROBLEM, exactness(kind, subtype, b"application", 11, b"json", 4), quality)
    count(wishes + HTML, exactness(kind, subtype, b"text", 4, b"html", 4), quality)
    count(wishes + TEXT, exactness(kind, subtype, b"text", 4, b"plain", 5), quality)
    return True


# ---- the wishes ----


cdef inline bint is_any(Text text) noexcept nogil:
    return text.length == 1 and text.p[0] == c'*'


cdef inline int exactness(
    Text kind, Text subtype, const char* our_kind, size_t kind_length, const char* our_subtype, size_t subtype_length
) noexcept nogil:
    """How exactly a range names one of our types; 0: not at all."""
    if is_any(kind):
        return ANYTHING
    if kind.length != kind_length or not same(kind.p, our_kind, kind_length):
        return 0
    if is_any(subtype):
        return TYPE
    return NAMED if subtype.length == subtype_length and same(subtype.p, our_subtype, subtype_length) else 0


cdef inline void count(Wish* wish, int exact, int quality) noexcept nogil:
    if exact > wish.exact or (exact == wish.exact and exact and quality > wish.quality):
        wish.exact = exact
        wish.quality = quality


cdef inline bint is_dearer(const Wish* one, const Wish* other) noexcept nogil:
    if one.quality == 0:
        return False
    return one.quality > other.quality or (one.quality == other.quality and one.exact > other.exact)


cdef int preferred_of(const unsigned char* p, size_t n) noexcept nogil:
    cdef Reader reader
    cdef Wish[FORMS] wishes
    cdef int form, best = PROBLEM, ranges = 0
    reader.p, reader.at, reader.end = p, 0, n
    if n > LONGEST:
        return PROBLEM
    for form in range(<int>FORMS):
        wishes[form].quality = wishes[form].exact = 0
    while True:
        skip_space(&reader)
        if reader.at < n and not at_byte(&reader, c','):  # an empty one says nothing
            ranges += 1
            if ranges > MOST_RANGES or not read_range(&reader, wishes):
                return PROBLEM
        if reader.at == n:
            break
        if not at_byte(&reader, c','):
            return PROBLEM
        reader.at += 1
    for form in range(<int>HTML, <int>FORMS):
        if is_dearer(wishes + form, wishes + best):
            best = form
    return best


def preferred(bytes value not None):
    """By the value of its Accept field: 0 a problem in JSON, 1 HTML, 2 plain text.

    0 also for what is malformed, longer than 1,024 bytes or of more than 32 ranges, and for whoever takes none of them:
    the refusal stands, and is told in the form that programs read.
    """
    return preferred_of(<const unsigned char*>PyBytes_AS_STRING(value), <size_t>PyBytes_GET_SIZE(value))
