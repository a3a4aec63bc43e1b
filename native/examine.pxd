cimport cython

from bearerd._native.claims cimport Terms


cdef class Payload:
    cdef readonly bytes text
    cdef dict said

    cpdef dict read(self)


@cython.final
cdef class Issuing:
    cdef readonly object issuer
    cdef readonly Terms terms
    cdef readonly frozenset algorithms
    cdef readonly object cutoff_slack  # seconds
    # Of the last choice, where there was a key: for which header (else None) and of which key set, with what it checks a
    # signature, its thumbprint, and the generation of the set.
    cdef object head, key_set, key, check, thumbprint, generation

    cdef bint choose(self, head, now, time, key_type) except -1


cdef class Examination:
    cdef dict known  # Issuing by iss
    cdef Py_ssize_t most_bytes, max_depth, max_members
    cdef object header, may_check
    cdef dict signed  # by algorithm: who is told of a good signature
    cdef object key, verified, claims  # types
    cdef bytes last  # the text of the header that was read last; then all that is asked of it
    cdef object head, alg, alg_name, kid
    cdef dict members
    cdef bint of_digest

    # What a token is; raises what the readers of its parts and the signature check raise.
    cdef object look(self, bytes token, now)
    cdef int read_header(self, bytes text) except -1


cpdef bytes encoded(verified, Payload claims)
