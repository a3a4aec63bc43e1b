# Character tables and inline scanners over bytes.  Every function takes how many bytes may be read and reads no more.

cdef extern from *:
    """
    #ifndef BEARERD_ASCII
    #define BEARERD_ASCII
    /* base64url (RFC 4648 section 5): the sextet plus one, so that 0 is every byte outside the alphabet. */
    static const unsigned char bearerd_sextet[256] __attribute__((unused)) = {
        ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
        ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
        ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
        ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
        ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
        ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
        ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
        ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
    };
    /* RFC 9110 section 5.6.2 (token): 1; what an origin-form target is made of, without '#': 2; both: 3. */
    static const unsigned char bearerd_http[256] __attribute__((unused)) = {
        ['!'] = 3,  ['"'] = 2,  ['$'] = 3,  ['%'] = 3,  ['&'] = 3,  [0x27] = 3,  ['('] = 2,  [')'] = 2,
        ['*'] = 3,  ['+'] = 3,  [','] = 2,  ['-'] = 3,  ['.'] = 3,  ['/'] = 2,  ['0' ... '9'] = 3,
        [':' ... '@'] = 2,      ['A' ... 'Z'] = 3,      ['['] = 2,  [0x5C] = 2, [']'] = 2,  ['^' ... 'z'] = 3,
        ['{'] = 2,  ['|'] = 3,  ['}'] = 2,  ['~'] = 3,  ['#'] = 1,
    };
    #endif
    """
    const unsigned char* bearerd_sextet
    const unsigned char* bearerd_http


cdef inline bint is_control(unsigned char c) noexcept nogil:
    return c < 0x20 or c == 0x7F


cdef inline bint is_space(unsigned char c) noexcept nogil:
    """OWS (RFC 9110 section 5.6.3)."""
    return c == c' ' or c == c'\t'


cdef inline bint is_token(unsigned char c) noexcept nogil:
    return bearerd_http[c] & 1


cdef inline bint is_target(unsigned char c) noexcept nogil:
    return bearerd_http[c] >> 1


cdef inline bint is_digit(unsigned char c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline bint is_lower(unsigned char c) noexcept nogil:
    return c'a' <= c <= c'z'


cdef inline unsigned char to_lower(unsigned char c) noexcept nogil:
    # ASCII only: what else folds depends on locale and Unicode version.
    return c | 0x20 if c'A' <= c <= c'Z' else c


cdef inline int hex_value(unsigned char c) noexcept nogil:
    """0-15, or -1."""
    if is_digit(c):
        return c - c'0'
    c |= 0x20
    return c - c'a' + 10 if c'a' <= c <= c'f' else -1


cdef inline int percent_value(const unsigned char* p, size_t left) noexcept nogil:
    """The byte that the escape ``%XX`` at ``p`` stands for, or -1 if it is none."""
    cdef int high, low
    if left < 3 or p[0] != c'%':
        return -1
    high = hex_value(p[1])
    low = hex_value(p[2])
    return -1 if high < 0 or low < 0 else high << 4 | low


cdef inline size_t utf8_length(const unsigned char* p, size_t left) noexcept nogil:
    """Length (1-4) of the character at ``p``, or 0 where it is not UTF-8 (RFC 3629: no surrogate, nothing overlong)."""
    cdef unsigned char first, least = 0x80, most = 0xBF
    cdef size_t length, i
    if left == 0:
        return 0
    first = p[0]
    if first < 0x80:
        return 1
    if first < 0xC2 or first > 0xF4:
        return 0
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if left < length:
        return 0
    if first == 0xE0:
        least = 0xA0
    elif first == 0xED:
        most = 0x9F
    elif first == 0xF0:
        least = 0x90
    elif first == 0xF4:
        most = 0x8F
    if not least <= p[1] <= most:
        return 0
    for i in range(2, length):
        if p[i] & 0xC0 != 0x80:
            return 0
    return length
