# A resource at one face, as the lane judges by it.  See route.pyx.

cimport cython
from libc.stdint cimport uint8_t, uint32_t

from bearerd._native.rules cimport Rules

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
    cdef Rules rules
    cdef bytes open  # a byte for each enforced rule: 1 where no credential is looked at
    cdef size_t count  # of enforced rules
    cdef size_t words  # of a mask with a bit for each rule, and one for none
    cdef uint8_t[256] first  # whether an identity header's name, in lower case, begins so
    cdef tuple identity  # canonical names beside x-auth-*
    cdef size_t allowed  # cells of the metrics
    cdef size_t duration
    cdef list texts  # what the templates point into
    cdef Template* refusals
    cdef size_t refusal_count

    cdef bint spoofs(self, const unsigned char* name, size_t n)


@cython.final
cdef class Routes:
    cdef readonly uint32_t generation  # of the configuration
    cdef readonly list all
    cdef list chains

    cdef Route find(self, int face, const unsigned char* name, size_t n)
