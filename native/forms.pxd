# In what form whoever asks reads a refusal.

from bearerd._native.accept cimport HTML, PROBLEM, preferred_of
from bearerd._native.fieldnames cimport ACCEPT, SEC_FETCH_MODE, bit
from bearerd._native.head cimport Head, value_of


cdef inline int form_of(const unsigned char* p, const Head* head) noexcept nogil:
    """In what form the client reads a refusal, as ``faces.accept`` has it."""
    cdef const unsigned char* text
    cdef size_t size
    if head.known[ACCEPT] < 0 or head.twice & bit(ACCEPT):
        return PROBLEM
    text = value_of(p, head, head.known[ACCEPT], &size)
    return preferred_of(text, size)


cdef inline bint may_navigate(const unsigned char* p, const Head* head) noexcept nogil:
    """No browser's navigation, for sure, where this is False; what is one: ``faces.login``."""
    return head.known[SEC_FETCH_MODE] >= 0 or form_of(p, head) == HTML
