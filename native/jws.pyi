"""Strict reading of a compact JWS (RFC 7515 section 7.1): split, base64url, duplicate members."""

from typing import final

class Malformed(ValueError):
    """The bytes are not what they must be; the text says why and quotes none of them."""

@final
class Compact:
    """A split token.  Header and payload are decoded bytes; both are JSON objects without duplicate members."""

    header: bytes
    payload: bytes
    signature: bytes
    signing_input: bytes

def split(token: bytes, max_depth: int, max_members: int) -> Compact:
    """Split a token whose payload is a JSON object (a JWT).

    Exactly three non-empty segments of canonical base64url without padding (an empty signature is malformed); a JWE
    (five segments) is refused without decoding.  Both JSON texts are scanned: UTF-8, an object at the top, no duplicate
    member name in any object once escapes are decoded, depth (the top object is 1; never beyond 1024) and members (all
    in all) within the limits.  Raises Malformed.  The length cap is the caller's (before this call).
    """

def split_any(token: bytes, max_depth: int, max_members: int) -> Compact:
    """As ``split``, but the payload may be any bytes, also none (RFC 7515 without JWT)."""

def scan(text: bytes, max_depth: int, max_members: int) -> None:
    """Scan one JSON text as ``split`` does.  Raises Malformed.  (orjson validates the grammar afterwards.)"""

def b64decode(text: bytes) -> bytes:
    """Strict canonical base64url without padding (RFC 7515 section 2, RFC 4648 section 3.5).  Raises Malformed."""

__pyx_capi__: dict[str, object]  # the C entry points of jws.pxd
