"""Flat entries in hash order, in segments that grow a little at a time: the table under ``revocations``, for C callers."""

__pyx_capi__: dict[str, object]  # the C entry points of slots.pxd
