"""HMAC-SHA-256 (RFC 2104) under one key: what depends on the key alone is computed once."""

from typing import Self, final

@final
class Mac:
    """Under ``key``.  It is wiped when this is dropped."""

    def __new__(cls, key: bytes) -> Self: ...
    def of(self, text: bytes) -> bytes:
        """32 bytes."""
