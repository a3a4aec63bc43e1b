# In what form a client reads a refusal, by its Accept field, for C callers (the lane).  See accept.pyx.

cdef enum Form:  # as bearerd.faces.forms.Form
    PROBLEM
    HTML
    TEXT
    FORMS  # how many

# The form for this value of the field.  Nothing beyond the `n` bytes at `p` is read.
cdef int preferred_of(const unsigned char* p, size_t n) noexcept nogil
