"""The 16-byte keys under which a token may be revoked (contracts section 5; ``store.entries`` says what they mean).

SHA-256("bearerd-rev-1" || 0x00 || kind byte || u32be length || issuer || u32be length || value), cut to 16 bytes: all those of
a token at once.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from bearerd._native.sha256 cimport Sha256, sha256_add, sha256_begin, sha256_end

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

cdef extern from "<endian.h>" nogil:
    uint32_t htobe32(uint32_t) noexcept

cdef enum:  # as store.entries.Kind
    TOKEN = 1
    SUBJECT = 2
    SESSION = 3
    CLIENT = 4
    SIGNING_KEY = 5
    ISSUER = 6

cdef enum:
    SIZE = 16
    DIGEST = 32
    MOST = 7  # keys of one token
    LATELY = 64  # keys that are remembered
    SHORT = 512  # characters of what one that is remembered is about

cdef const unsigned char* DOMAIN = b"bearerd-rev-1\x00"

cdef struct Text:
    const unsigned char* p
    size_t n


cdef int read(Text* text, str value) except -1:
    """Its UTF-8 form, which lives as long as the string."""
    cdef Py_ssize_t size
    text.p = <const unsigned char*>PyUnicode_AsUTF8AndSize(value, &size)
    text.n = <size_t>size
    if text.n > 0xFFFFFFFF:
        raise ValueError("too long for a key")
    return 0


cdef inline void add_text(Sha256* sha, const Text* text) noexcept nogil:
    cdef uint32_t length = htobe32(<uint32_t>text.n)
    sha256_add(sha, <const unsigned char*>&length, 4)
    sha256_add(sha, text.p, text.n)


cdef void make(uint8_t kind, const Text* issuer, const Text* value, unsigned char* out16) noexcept nogil:
    cdef Sha256 sha
    cdef unsigned char[DIGEST] whole
    sha256_begin(&sha)
    sha256_add(&sha, DOMAIN, 14)
    sha256_add(&sha, &kind, 1)
    add_text(&sha, issuer)
    add_text(&sha, value)
    sha256_end(&sha, whole)
    memcpy(out16, whole, SIZE)


def key(uint8_t kind, str issuer not None, str value not None):
    """The key of one revocation.  Raises ValueError for text that has no UTF-8 form, OverflowError for no kind (a byte)."""
    cdef unsigned char[SIZE] out
    cdef Text who, what
    read(&who, issuer)
    read(&what, value)
    make(kind, &who, &what, out)
    return PyBytes_FromStringAndSize(<char*>out, SIZE)


cdef int add_key(unsigned char* out, size_t* count, uint8_t kind, const Text* issuer, str value) except -1:
    """None where the token does not say it."""
    cdef Text what
    if value is not None:
        read(&what, value)
        make(kind, issuer, &what, out + SIZE * count[0])
        count[0] += 1
    return 0


@cython.final
cdef class _Made:
    """A key that was made before."""

    cdef uint8_t kind
    cdef str issuer, value
    cdef unsigned char[SIZE] key


cdef list made = [None] * LATELY


cdef int add_known_key(unsigned char* out, size_t* count, uint8_t kind, const Text* who, str issuer, str value) except -1:
    """Many a token has the same client, signing key and issuer as another: their keys are made once, for a while."""
    cdef _Made before
    cdef size_t place
    if value is None:
        return 0
    place = (<size_t>hash(issuer) ^ <size_t>hash(value) * 31 ^ kind) & (LATELY - 1)
    before = made[<Py_ssize_t>place]
    if before is None or before.kind != kind or before.issuer != issuer or before.value != value:
        before = _Made.__new__(_Made)
        before.kind, before.issuer, before.value = kind, issuer, value
        add_key(out, count, kind, who, value)
        memcpy(before.key, out + SIZE * (count[0] - 1), SIZE)
        if len(issuer) + len(value) <= SHORT:
            made[<Py_ssize_t>place] = before
        return 0
    memcpy(out + SIZE * count[0], before.key, SIZE)
    count[0] += 1
    return 0


def probes(
    str issuer not None, str jti, bytes digest not None, str subject, str session, str client, str thumbprint,
):
    """Every key of one token, concatenated, in this order; those of claims that it has not are left out.

    ``digest``: 32 bytes, whose key is that of kind ``token`` and their lower-case hex.  Raises ValueError as ``key``.
    """
    if PyBytes_GET_SIZE(digest) != DIGEST:
        raise ValueError("not a SHA-256 digest")
    return probes_of(issuer, jti, digest.hex(), subject, session, client, thumbprint)


cdef bytes probes_of(str issuer, str jti, str digest, str subject, str session, str client, str thumbprint):
    cdef unsigned char[MOST * SIZE] out
    cdef size_t count = 0
    cdef Text who
    read(&who, issuer)
    add_key(out, &count, TOKEN, &who, jti)
    add_key(out, &count, TOKEN, &who, digest)
    add_key(out, &count, SUBJECT, &who, subject)
    add_key(out, &count, SESSION, &who, session)
    add_known_key(out, &count, CLIENT, &who, issuer, client)
    add_known_key(out, &count, SIGNING_KEY, &who, issuer, thumbprint)
    add_known_key(out, &count, ISSUER, &who, issuer, "")
    return PyBytes_FromStringAndSize(<char*>out, <Py_ssize_t>(SIZE * count))
