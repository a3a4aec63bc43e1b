# For C callers.

from bearerd._native.head cimport Head

# (is it Envoy's, resource, method, target, header fields, Host, peer, trusted, is the method HEAD).
cdef tuple question_of(const unsigned char* p, const Head* head, str peer, bint trusted)
