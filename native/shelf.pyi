"""Records of tokens without pointers, found by digest, in the order of their use: under ``tokens``, for C callers."""

__pyx_capi__: dict[str, object]  # the C entry points of shelf.pxd
