# The fields of a named tuple.  To ask such an object for an item goes by way of its class, a hundred times as far.

from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE

cdef enum:  # as decision.Now
    WALL
    BOOT
    BEHIND
    AHEAD
    NOW  # how many

cdef enum:  # as verify.verified.Verified
    ISSUER
    SUBJECT
    CLIENT
    SESSION
    SCOPES
    ROLES
    AUDIENCE
    ISSUED_AT
    EXPIRES_AT
    TOKEN_ID
    THUMBPRINT
    ALG
    KID
    CONFIRMED
    KEY_GENERATION
    CLAIMS
    VERIFIED  # how many


cdef inline int has_fields(values, Py_ssize_t count) except -1:
    """To be asked before ``field``.  Raises TypeError where there are not so many."""
    if not PyTuple_Check(values) or PyTuple_GET_SIZE(values) < count:
        raise TypeError(f"a tuple of {count} fields is needed, not {type(values).__name__}")
    return 0


cdef inline object field(values, Py_ssize_t at):
    return <object>PyTuple_GET_ITEM(values, at)
