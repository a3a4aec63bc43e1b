from bearerd._native.generations cimport Generations
from bearerd._native.refused cimport RefusedTokens
from bearerd._native.revocations cimport Revocations
from bearerd._native.tokens cimport TokenCache


cdef class Verification:
    cdef dict known  # the examiner's: Issuing by iss
    cdef TokenCache cache
    cdef RefusedTokens refused
    cdef Generations generations
    cdef Revocations table
    cdef object examiner
    cdef Py_ssize_t most_bytes
    cdef bytes apart  # how those begin that are judged elsewhere; None: no token is
    cdef object verified  # the type of what is kept

    cdef object kept(self, bytes token, verified, double latest, double boot)
