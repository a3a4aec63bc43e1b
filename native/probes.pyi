"""The 16-byte keys under which a token may be revoked (contracts section 5; ``store.entries`` says what they mean)."""

def key(kind: int, issuer: str, value: str) -> bytes:
    """The key of one revocation.  Raises ValueError for text that has no UTF-8 form, OverflowError for no kind (a byte)."""

def probes(
    issuer: str,
    jti: str | None,
    digest: bytes,
    subject: str | None,
    session: str | None,
    client: str | None,
    thumbprint: str | None,
) -> bytes:
    """Every key of one token, concatenated, in this order; those of claims that it has not are left out.

    ``digest``: 32 bytes, whose key is that of kind ``token`` and their lower-case hex.  Raises ValueError as ``key``.
    """

__pyx_capi__: dict[str, object]  # the C entry points of probes.pxd
