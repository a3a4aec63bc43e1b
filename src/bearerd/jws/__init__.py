"""JSON Web Signature (RFC 7515) and Key (RFC 7517): strict reading, keys bound to algorithms, verification."""

from __future__ import annotations

from bearerd.jws.verify import Jws, verify

__all__ = ["Jws", "verify"]
