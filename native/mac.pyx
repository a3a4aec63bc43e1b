"""HMAC-SHA-256 (RFC 2104) under one key: what depends on the key alone is computed once."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy, memset

from bearerd._native.sha256 cimport Sha256, sha256_add, sha256_begin, sha256_end, sha256_into

cdef enum:
    BLOCK = 64
    SIZE = 32


@cython.final
cdef class Mac:
    """Under ``key``.  It is wiped when this is dropped."""

    cdef Sha256 inner
    cdef Sha256 outer

    def __cinit__(self, bytes key not None):
        cdef unsigned char[BLOCK] block
        cdef size_t i
        memset(block, 0, BLOCK)
        if PyBytes_GET_SIZE(key) > BLOCK:
            sha256_into(<const unsigned char*>PyBytes_AS_STRING(key), <size_t>PyBytes_GET_SIZE(key), block)
        else:
            memcpy(block, PyBytes_AS_STRING(key), <size_t>PyBytes_GET_SIZE(key))
        for i in range(<size_t>BLOCK):
            block[i] ^= 0x36
        sha256_begin(&self.inner)
        sha256_add(&self.inner, block, BLOCK)
        for i in range(<size_t>BLOCK):
            block[i] ^= 0x36 ^ 0x5C
        sha256_begin(&self.outer)
        sha256_add(&self.outer, block, BLOCK)
        memset(block, 0, BLOCK)

    def __dealloc__(self):
        memset(&self.inner, 0, sizeof(Sha256))
        memset(&self.outer, 0, sizeof(Sha256))

    def of(self, bytes text not None):
        """32 bytes."""
        cdef Sha256 sha = self.inner
        cdef unsigned char[SIZE] made
        sha256_add(&sha, <const unsigned char*>PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text))
        sha256_end(&sha, made)
        sha = self.outer
        sha256_add(&sha, made, SIZE)
        sha256_end(&sha, made)
        return PyBytes_FromStringAndSize(<const char*>made, SIZE)
