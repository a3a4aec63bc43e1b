"""JSON that others wrote, read in one way: bounded before anything is made of it, and no member twice.

Of two members of one name orjson takes the last, and another reader the first: they would see two documents in one.
"""

from __future__ import annotations

from typing import Any

import orjson

from bearerd._native.jws import Malformed, scan

__all__ = ["Malformed", "read"]


def read(text: bytes, max_depth: int, max_members: int) -> dict[str, Any]:
    """One object (RFC 8259).  The length is the caller's to bound.  Raises Malformed, which says why."""
    scan(text, max_depth, max_members)
    try:
        found: dict[str, Any] = orjson.loads(text)  # an object: the scan has seen to it
    except orjson.JSONDecodeError:
        raise Malformed("not JSON") from None
    return found
