"""The date of an HTTP message (RFC 9110 section 5.6.7), made once a second."""

def date(second: int) -> bytes:
    """``Sun, 06 Nov 1994 08:49:37 GMT`` of seconds since the epoch."""

__pyx_capi__: dict[str, object]  # the C entry points of date.pxd
