"""Which form of a refusal a client would rather read (RFC 9110 section 12.5.1): one reader for lane and faces."""

def preferred(value: bytes) -> int:
    """By the value of its Accept field: 0 a problem in JSON, 1 HTML, 2 plain text.

    0 also for what is malformed, longer than 1,024 bytes or of more than 32 ranges, and for whoever takes none of them:
    the refusal stands, and is told in the form that programs read.
    """

__pyx_capi__: dict[str, object]  # the C entry point of accept.pxd
