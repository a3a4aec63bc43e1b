"""Compiled selectors of a resource's rules: methods and path patterns, in linear time.

A pattern is matched segment by segment: ``*`` never crosses a slash, so a path can meet a pattern in one way only and
nothing backtracks.  Within a segment the literals between the stars are found leftmost, each by ``memmem``.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from bearerd._native.ascii cimport to_lower
from bearerd._native.path cimport normalise_into

cdef extern from "<string.h>" nogil:  # GNU, musl and BSD have it; Python.h asks for it (_GNU_SOURCE)
    void* memmem(const void* haystack, size_t n, const void* needle, size_t m) noexcept

NONE = -1
AMBIGUOUS = -2

cdef enum:
    NO_RULE = -1
    NEAR_MISS = -2
    NO_MEMORY = -3
    ANY = 0xFFFFFFFF  # instead of an offset: no such selector
    GROWTH = 3  # as many times as long may a text be without case: U+0390 is six bytes then, of two
    SCRATCH = 1024  # what does not fit is folded on the heap

cdef struct Record:
    uint32_t methods  # offset of names, each after its length in one byte; or ANY
    uint32_t methods_size
    uint32_t path  # offset of the pattern's text; or ANY.  Its folded twin follows at once
    uint32_t path_size
    uint32_t stem  # how much of the text every path begins with that matches, or misses only by a final slash
    uint32_t twin_size
    uint32_t twin_stem  # the same of the twin, for folded paths
    uint8_t below  # the pattern ended in `**`, which the text lacks: whatever follows the text matches
    uint8_t literal  # the text has no star
    uint8_t preflight


class BadPattern(ValueError):
    """A path pattern that no path could match, or a method that is no HTTP token; the text says why."""


# ---- matching ----


cdef bint segment_matches(const unsigned char* p, size_t m, const unsigned char* s, size_t n) noexcept nogil:
    """One segment of a pattern against one of a path.  A star takes at least one byte, thus at least one character:
    pattern and path are UTF-8, so a literal is only ever found where a character begins."""
    cdef const unsigned char* star = <const unsigned char*>memchr(p, c'*', m) if m else NULL
    cdef const unsigned char* found
    cdef size_t size
    if star == NULL:
        return m == n and memcmp(p, s, n) == 0
    size = <size_t>(star - p)
    if n < size or memcmp(p, s, size) != 0:
        return False
    while True:
        s += size
        n -= size
        m -= size + 1
        p = star + 1
        if n == 0:
            return False
        s += 1  # what the star takes at least
        n -= 1
        star = <const unsigned char*>memchr(p, c'*', m) if m else NULL
        if star == NULL:
            return n >= m and memcmp(p, s + (n - m), m) == 0
        size = <size_t>(star - p)
        found = <const unsigned char*>memmem(s, n, p, size)
        if found == NULL:
            return False
        n -= <size_t>(found - s)
        s = found


cdef inline size_t segment_end(const unsigned char* p, size_t n) noexcept nogil:
    cdef const unsigned char* slash = <const unsigned char*>memchr(p, c'/', n) if n else NULL
    return n if slash == NULL else <size_t>(slash - p)


cdef bint pattern_matches(
    const Record* rule, const unsigned char* p, size_t m, const unsigned char* s, size_t n
) noexcept nogil:
    """``p`` is the rule's text or its twin, ``s`` the path, folded for the twin."""
    cdef size_t of_pattern, of_path
    if rule.literal:
        return (n >= m if rule.below else n == m) and memcmp(p, s, m) == 0
    while True:
        of_pattern = segment_end(p, m)
        of_path = segment_end(s, n)
        if not segment_matches(p, of_pattern, s, of_path):
            return False
        if of_pattern == m or of_path == n:
            return of_pattern == m and of_path == n
        p += of_pattern + 1
        m -= of_pattern + 1
        s += of_path + 1
        n -= of_path + 1
        if m == 0 and rule.below:
            return True


cdef inline bint has_stem(size_t stem, const unsigned char* p, const unsigned char* s, size_t n) noexcept nogil:
    """False for nearly every rule that does not match, at the price of some bytes."""
    return stem <= n and memcmp(p, s, stem) == 0


cdef bint has_method(const unsigned char* names, size_t size, const unsigned char* method, size_t n) noexcept nogil:
    cdef size_t i = 0
    while i < size:
        if names[i] == n and memcmp(names + i + 1, method, n) == 0:
            return True
        i += 1 + <size_t>names[i]
    return False


@cython.final
cdef class Rules:
    """Rules in order, each ``(methods or None for any, path pattern or None for any, preflight)``.

    ``*`` is one or more characters of one segment, ``**`` only the last segment (``/a/**`` matches ``/a/`` and below);
    case and final slash significant; GET matches HEAD too; CONNECT has to be named by the first that fits, else none matches.
    Raises BadPattern.
    """

    def __init__(self, rules):
        if self.block != NULL:
            raise TypeError("rules are compiled once")
        cdef list compiled = [compile_rule(methods, path, preflight) for methods, path, preflight in rules]
        cdef size_t records = sizeof(Record) * <size_t>len(compiled)
        cdef bytes text = b"".join([methods + path + folded(path) for methods, path, _ in compiled])
        cdef size_t size = <size_t>len(text)
        if records + size >= ANY:
            raise BadPattern("the rules are too large")
        cdef unsigned char* block = <unsigned char*>malloc(records + size + 1)  # at least one byte
        if block == NULL:
            raise MemoryError
        memcpy(block + records, PyBytes_AS_STRING(text), size)
        fill(<Record*>block, compiled, <uint32_t>records)
        self.block = block
        self.count = len(compiled)

    def __dealloc__(self):
        free(self.block)

    def __len__(self):
        return self.count

    cdef Py_ssize_t select(
        self,
        const unsigned char* method, size_t method_length,
        const unsigned char* path, size_t path_length,
        bint preflight, Py_ssize_t start,
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef const Record* rule
        for i in range(start, self.count):
            rule = <const Record*>self.block + i
            if rule.path != <uint32_t>ANY and not has_stem(rule.stem, self.block + rule.path, path, path_length):
                continue
            if not takes(rule, self.block, method, method_length, preflight):
                continue
            if rule.path == <uint32_t>ANY or pattern_matches(
                rule, self.block + rule.path, rule.path_size, path, path_length
            ):
                # Of a CONNECT by HTTP/2 or HTTP/3 (RFC 8441, RFC 9220) a gateway may make a GET.  No later rule decides: it may be laxer.
                if rule.methods == <uint32_t>ANY and method_length == 7 and memcmp(method, b"CONNECT", 7) == 0:
                    return NO_RULE
                return near_miss_before(self, i, method, method_length, path, path_length, preflight, start)
        return NO_RULE

    def match(self, bytes method not None, bytes path not None, bint preflight, Py_ssize_t start=0):
        """The first rule at or after ``start`` whose selectors match, else NONE.

        AMBIGUOUS: an earlier rule (at or after ``start``, with matching method) misses the path only by case, by dots or
        spaces at a segment's end, or by a final slash, and a later one matches.
        """
        cdef Py_ssize_t found
        if start < 0:
            raise ValueError("start must not be negative")
        found = self.select(
            <const unsigned char*>PyBytes_AS_STRING(method), <size_t>PyBytes_GET_SIZE(method),
            <const unsigned char*>PyBytes_AS_STRING(path), <size_t>PyBytes_GET_SIZE(path),
            preflight, start,
        )
        if found == NO_MEMORY:
            raise MemoryError
        return found


cdef inline bint takes(
    const Record* rule, const unsigned char* block, const unsigned char* method, size_t n, bint preflight
) noexcept nogil:
    """Whether the selectors other than the path match."""
    if rule.preflight and not preflight:
        return False
    return rule.methods == <uint32_t>ANY or has_method(block + rule.methods, rule.methods_size, method, n)


cdef Py_ssize_t near_miss_before(
    Rules rules, Py_ssize_t found,
    const unsigned char* method, size_t method_length,
    const unsigned char* path, size_t n,
    bint preflight, Py_ssize_t start,
) noexcept nogil:
    """``found``, or NEAR_MISS where a rule before it matches the path once both are folded, with or without a final slash.

    Upstreams that ignore case or final slashes would serve /ADMIN as /admin, and Windows /admin. as well: the laxer rule
    must not decide that.
    """
    cdef unsigned char[SCRATCH] small
    cdef unsigned char* text = small
    cdef const Record* rule
    cdef const unsigned char* pattern
    cdef Py_ssize_t i, answer = found
    cdef Py_ssize_t size
    cdef size_t twin
    if start == found:
        return found
    if GROWTH * n + 1 > SCRATCH:
        text = <unsigned char*>malloc(GROWTH * n + 1)
        if text == NULL:
            return NO_MEMORY
    size = fold(path, n, text)
    if size < 0:
        answer = NO_MEMORY
        found = start  # nothing to look for
    else:
        n = <size_t>size
        text[n] = c'/'
        twin = n - 1 if n > 1 and text[n - 1] == c'/' else n + 1  # the length with, or without, the final slash
    for i in range(start, found):
        rule = <const Record*>rules.block + i
        pattern = rules.block + rule.path + rule.path_size
        if rule.path == <uint32_t>ANY or not has_stem(rule.twin_stem, pattern, text, n):
            continue
        if not takes(rule, rules.block, method, method_length, preflight):
            continue
        if (
            pattern_matches(rule, pattern, rule.twin_size, text, n)
            or pattern_matches(rule, pattern, rule.twin_size, text, twin)
        ):
            answer = NEAR_MISS
            break
    if text != small:
        free(text)
    return answer


# ---- folding: what the laxest upstreams do not tell apart ----


cdef Py_ssize_t fold(const unsigned char* path, size_t n, unsigned char* out) noexcept nogil:
    """Without case, and without the dots and spaces at a segment's end (Windows drops them, and the whole of a last segment
    of nothing else).  ``out`` holds GROWTH * n.

    Returns the length, or -1 where there is no memory.
    """
    cdef size_t i, length = 0
    cdef size_t segment = 0  # where the current one begins in ``out``
    cdef Py_ssize_t size
    for i in range(n):
        if path[i] >= 0x80:
            break
        out[i] = to_lower(path[i])
    else:
        i = n
    size = <Py_ssize_t>n if i == n else without_case(path, n, out)
    if size < 0:
        return -1
    for i in range(<size_t>size):
        if out[i] == c'/':
            length = without_end(out, segment, length)
            segment = length + 1
        out[length] = out[i]
        length += 1
    length = without_end(out, segment, length)
    if segment and length == segment + 1 and (out[segment] == c'.' or out[segment] == c' '):
        length = segment  # behind a slash: /a/... is /a/
    return <Py_ssize_t>length


cdef inline size_t without_end(const unsigned char* text, size_t segment, size_t end) noexcept nogil:
    """Where the segment ends without its last dots and spaces; one of nothing else keeps its first."""
    while end > segment + 1 and (text[end - 1] == c'.' or text[end - 1] == c' '):
        end -= 1
    return end


cdef Py_ssize_t without_case(const unsigned char* path, size_t n, unsigned char* out) noexcept with gil:
    """By Unicode: U+017F is an ``s`` and U+212A a ``k`` to whoever ignores case so.  -1: no memory.

    U+0131 and U+0130 are no ``i`` to casefold, but to whoever compares upper-case letters, or letters one by one (Python's
    IGNORECASE, Java's equalsIgnoreCase).
    """
    cdef bytes text
    try:
        text = path[:n].decode("utf-8", "surrogateescape").replace("\u0131", "i").casefold().replace("i\u0307", "i").encode(
            "utf-8", "surrogateescape"
        )
    except Exception:
        return -1
    if <size_t>len(text) > GROWTH * n:
        return -1
    memcpy(out, PyBytes_AS_STRING(text), <size_t>len(text))
    return len(text)


cdef bytes folded(bytes text):
    """The twin of a pattern's text."""
    cdef size_t n = <size_t>len(text)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(GROWTH * n + 1))
    cdef Py_ssize_t size = fold(<const unsigned char*>PyBytes_AS_STRING(text), n, <unsigned char*>PyBytes_AS_STRING(out))
    if size < 0:
        raise MemoryError
    return out[:size]


# ---- compiling ----

# RFC 9110 section 5.6.2
cdef frozenset TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


cdef tuple compile_rule(methods, path, preflight):
    """(packed methods, pattern text without ``**``, (any method, any path, below, literal, preflight))."""
    cdef bytes text = b"" if path is None else pattern_text(path)
    cdef bint below = text.endswith(b"/**")
    if below:
        text = text[: len(text) - 2]
    flags = (methods is None, path is None, below, b"*" not in text, bool(preflight))
    return (b"" if methods is None else pack_methods(methods), text, flags)


cdef void fill(Record* records, list compiled, uint32_t offset):
    cdef Py_ssize_t i
    cdef Record* rule
    for i in range(len(compiled)):
        methods, path, (any_method, any_path, below, literal, preflight) = compiled[i]
        twin = folded(path)
        rule = records + i
        rule.methods = <uint32_t>ANY if any_method else offset
        rule.methods_size = <uint32_t>len(methods)
        rule.path = <uint32_t>ANY if any_path else offset + rule.methods_size
        rule.path_size = <uint32_t>len(path)
        rule.stem = <uint32_t>len(path.partition(b"*")[0].rstrip(b"/"))
        rule.twin_size = <uint32_t>len(twin)
        rule.twin_stem = <uint32_t>len(twin.partition(b"*")[0].rstrip(b"/"))
        rule.below = below
        rule.literal = literal
        rule.preflight = preflight
        offset += rule.methods_size + rule.path_size + rule.twin_size


cdef bytes pack_methods(methods):
    """Each name after its length.  Whoever may GET may HEAD (RFC 9110 section 9.3.2: the same but for the content)."""
    if isinstance(methods, (str, bytes)):
        raise TypeError("methods must be a sequence of names, not one name")
    cdef list names = []
    for method in methods:
        name = method.encode("ascii", "replace")
        if not name or len(name) > 255 or not TOKEN.issuperset(name):
            raise BadPattern("a method must be an HTTP token")
        names.append(name)
    if not names:
        raise BadPattern("an empty list of methods would match nothing")
    if b"GET" in names and b"HEAD" not in names:
        names.append(b"HEAD")
    return b"".join([bytes((len(name),)) + name for name in names])


cdef bytes pattern_text(str path):
    """The pattern as UTF-8.  It must itself be a path in normal form: no request could ever match another."""
    cdef bytes text, encoded, normal
    cdef Py_ssize_t length
    if not path.startswith("/"):
        raise BadPattern("a path pattern begins with /")
    if "%" in path:
        raise BadPattern("a path pattern is written decoded, without % escapes")
    try:
        text = path.encode()
    except UnicodeEncodeError:
        raise BadPattern("a path pattern must be valid Unicode") from None
    encoded = text.replace(b" ", b"%20")
    normal = PyBytes_FromStringAndSize(NULL, len(encoded))
    length = normalise_into(
        <const unsigned char*>PyBytes_AS_STRING(encoded), <size_t>len(encoded),
        <unsigned char*>PyBytes_AS_STRING(normal),
    )
    if normal[:max(length, 0)] != text:
        raise BadPattern("no path looks like this: no dot segments, //, backslash, ;, #, ? or controls")
    for segment in text.removesuffix(b"/**").split(b"/"):
        if b"**" in segment:
            raise BadPattern("** must be the whole last segment")
    return text
