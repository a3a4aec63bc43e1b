cimport cython

from bearerd._native.claims cimport Terms


cdef class Payload:
    cdef readonly bytes text
    cdef dict said

    cpdef dict read(self)


@cython.final
cdef class _Head:
    cdef bytes text
    cdef object read, alg, name, kid
    cdef dict members
    cdef bint of_digest


@cython.final
cdef class _Choice:
    cdef _Head head
    cdef object key_set, generation, check, thumbprint


@cython.final
cdef class Issuing:
    cdef readonly object issuer
    cdef readonly Terms terms
    cdef readonly frozenset algorithms
    cdef readonly object cutoff_slack  # seconds
    cdef _Choice last

    cdef object choose(self, _Head head, now, time, key_type)


cdef class Examination:
    cdef readonly dict known  # Issuing by iss
    cdef Py_ssize_t most_bytes, max_depth, max_members
    cdef object header, may_check
    cdef dict signed  # by algorithm: who is told of a good signature
    cdef object key, verified, claims  # types
    cdef _Head last

    # What a token is; raises what the readers of its parts and the signature check raise.
    cdef object look(self, bytes token, now)
    cdef _Head head_of(self, bytes text)


cpdef bytes encoded(verified, Payload claims)
