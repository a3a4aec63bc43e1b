# A resource at one face, as the lane judges by it.  See route.pyx.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from bearerd._native.fieldnames cimport ORIGIN, bit
from bearerd._native.head cimport Head
from bearerd._native.hosts cimport Hosts
from bearerd._native.operations cimport Operations
from bearerd._native.rules cimport Rules

cdef enum:
    OPEN = 1
    OPTIONAL = 2

# The answer to a refused request, complete but for two holes and the date.
cdef struct Template:
    const unsigned char* head  # the status line and the header fields before Date
    const unsigned char* body
    uint32_t head_size
    uint32_t body_size
    uint32_t head_hole  # where 32 hexadecimal digits of the request id go
    uint32_t body_hole
    bint body_has_hole
    size_t cell  # of the counter of such decisions


@cython.final
cdef class Route:
    cdef readonly uint32_t index
    cdef readonly str resource
    cdef readonly str face
    cdef bytes name
    cdef int method  # of fieldnames.Name: where the original method stands; -1: in the request line itself
    cdef int target
    cdef int host
    cdef uint32_t family  # bits of fieldnames.Name: none of these may be there twice
    cdef bint sees_all  # every header of the client: spoofed identity is looked for
    cdef bint plain  # shadow rules have no say
    cdef bint enforced  # refuses natively, too: no shadow resource
    cdef bint constrained
    cdef bint has_paths
    cdef bint takes_tokens
    cdef bint takes_keys
    cdef tuple origins  # which Origin may stand there; None: it is not looked at
    cdef bint redirects  # a browser that shows no credential is sent elsewhere: Python says which is one
    cdef double audits  # the share of allows that leave an audit record
    cdef double audits_owed
    cdef bint audits_refusals
    cdef bint audits_all  # every decision leaves one, or is not made by the lane
    cdef Rules rules
    cdef Operations operations  # of an MCP server, by headers; or None
    cdef bint in_body  # what is asked of an MCP server stands where the lane does not look
    cdef bytes open  # a byte for each enforced rule: OPEN, OPTIONAL or 0
    cdef size_t count  # of enforced rules
    cdef size_t words  # of a mask with a bit for each rule, and one for none
    cdef uint8_t[256] first  # whether an identity header's name, in lower case, begins so
    cdef tuple identity  # canonical names beside x-auth-*
    cdef size_t allowed  # cells of the metrics
    cdef size_t duration
    cdef list texts  # what the templates point into
    cdef Template* refusals  # of each form in turn (accept.Form): where there is one, it is for everybody
    cdef size_t refusal_count  # of one form
    cdef size_t forms

    cdef inline bint is_open(self, Py_ssize_t rule) noexcept:
        """No credential is looked at."""
        return PyBytes_AS_STRING(self.open)[rule] == OPEN

    cdef inline bint asks_nobody(self, Py_ssize_t rule) noexcept:
        """Who shows no credential may pass; -1 is no rule."""
        return rule >= 0 and PyBytes_AS_STRING(self.open)[rule] != 0

    cdef inline bint takes(self, const unsigned char* credential, size_t n) noexcept:
        """As ``Resource.takes``: of a kind that may be shown here."""
        return self.takes_keys if n >= 4 and memcmp(credential, b"brd_", 4) == 0 else self.takes_tokens

    cdef inline bint admits(self, const unsigned char* p, const Head* head):
        """A page that may ask, or none; else who asks Python is told."""
        if self.origins is None or head.known[ORIGIN] < 0:
            return True
        return not head.twice & bit(ORIGIN) and self.knows(
            p + head.field[head.known[ORIGIN]].value.at, head.field[head.known[ORIGIN]].value.length
        )

    cdef bint spoofs(self, const unsigned char* name, size_t n)
    cdef bint knows(self, const unsigned char* origin, size_t n)


@cython.final
cdef class Routes:
    cdef readonly uint32_t generation  # of the configuration
    cdef readonly list all
    cdef list chains
    cdef Hosts hosts
    cdef list belongs  # the route of each place in ``hosts``, or None

    cdef Route find(self, int face, const unsigned char* name, size_t n)
    # The route of whom ``hosts`` chooses, if it speaks the dialect whose field for the host this is (fieldnames.Name).
    cdef Route of_host(
        self, int field, const unsigned char* host, size_t n, const unsigned char* target, size_t target_size,
        unsigned char* room
    )
