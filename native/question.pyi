"""A request head in Python's terms: what is asked where the lane does not decide by itself."""

from typing import TypeAlias

Question: TypeAlias = tuple[bool, bytes, str, bytes, list[tuple[bytes, bytes]], str | None, str, bool, bool]
"""Is it Envoy's, resource, method, target, header fields, Host, peer, is the peer trusted, is the method HEAD."""

__pyx_capi__: dict[str, object]  # the C entry points of question.pxd
