# The recogniser of common request heads, for C callers (the lane).

from libc.stdint cimport int32_t, uint32_t

from bearerd._native.fieldnames cimport KNOWN

cdef enum:
    MOST_FIELDS = 128

cdef enum Verdict:
    NOT_MINE  # aiohttp's, with every byte of it, and all that follows on this connection
    MORE  # a head of ours, as far as it goes
    COMPLETE

cdef enum Face:
    AUTH  # /auth/NAME, or /auth
    EXT_AUTHZ  # /ext_authz/NAME/…

cdef struct HeadLimits:  # as of bearerd.limits
    uint32_t max_header_bytes
    uint32_t max_head_bytes
    uint32_t max_headers

cdef struct Span:  # of the bytes that were read
    uint32_t at
    uint32_t length

cdef struct Field:
    Span name  # as received
    Span value  # without the white space around it

cdef struct Head:
    Face face
    bint close  # the client asks for no further answer on this connection
    bint is_head  # the method is HEAD: the answer has no body
    Span method
    Span target
    Span name  # the resource's; empty where the host chooses it
    Span rest  # of the target, behind NAME
    uint32_t size  # of the head, its last CR LF included; what follows is the next request
    uint32_t fields
    int32_t[KNOWN] known  # by fieldnames.Name: the (first) field of this name, or -1
    uint32_t seen  # bits: fieldnames.bit(Name)
    uint32_t twice  # bits; a Host or Authorization never is
    Field[MOST_FIELDS] field

# A Verdict on the first head in `length` bytes, of which nothing is read beyond.  With COMPLETE `head` is filled, else it
# holds nothing.  `searched` is 0 for a new head; after MORE it goes unchanged with the same bytes and those that came since
# (they may have moved); else it is 0 again.  Nothing is searched twice, and a line is read twice at most: when it ends, and
# with the others when the head does.  So the second of two fields of which there may be one is seen with either.
cdef int recognise(
    const unsigned char* p, size_t length, size_t* searched, const HeadLimits* limits, Head* head
) noexcept nogil


cdef inline const unsigned char* value_of(const unsigned char* p, const Head* head, int32_t field, size_t* size) noexcept nogil:
    size[0] = head.field[field].value.length
    return p + head.field[field].value.at
