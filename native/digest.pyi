"""A keyed 128-bit digest (SipHash-2-4-128) of token bytes under a secret of this process."""

def keyed128(data: bytes) -> bytes:
    """16 bytes; the secret is drawn at import and never leaves the process."""

def siphash128(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4 with 128-bit output under a 16-byte key (for the published test vectors)."""

__pyx_capi__: dict[str, object]  # the C entry points of digest.pxd
