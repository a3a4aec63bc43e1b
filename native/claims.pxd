cimport cython


@cython.final
cdef class Terms:
    cdef readonly frozenset types
    cdef readonly bint typed
    cdef readonly tuple required, scope_claims, role_claims
    cdef readonly object leeway, max_lifetime

    cpdef tuple fault(self, dict claims, dict header, time)
    cpdef tuple scopes(self, dict claims)
    cpdef tuple roles(self, dict claims)


cpdef object client(dict claims)
cpdef tuple audience(dict claims)
