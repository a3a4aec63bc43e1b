"""SHA-256 (FIPS 180-4) of a few short texts a token."""

from typing import Final

def sha256(data: bytes) -> bytes:
    """32 bytes."""

def portable(data: bytes) -> bytes:
    """The same, whatever the processor has (for the tests)."""

INSTRUCTIONS: Final[bool]
"""Whether the processor's own instructions are used."""

__pyx_capi__: dict[str, object]  # the C entry points of sha256.pxd
