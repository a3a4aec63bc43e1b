"""Keys that identities are signed with, in every form of a file, and a reader of what was signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support import jose

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "https://bearerd.example"
TYPE = "bearerd-identity+jwt"


def pem(kind: str = "P-256", number: int = 0) -> str:
    """A private key."""
    key = jose.private(kind, number)
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def public_pem(kind: str = "P-256", number: int = 0) -> str:
    """Its public half."""
    key = jose.private(kind, number).public_key()
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def table(*pems: str, **more: Any) -> dict[str, Any]:
    """``[identity]`` as a configuration holds it that was loaded."""
    return {"issuer": NAME, "key_files": ["identity.pem"], "keys": pems or (pem(),)} | more


def read(value: str, key_set: Mapping[str, Any], audience: str, **options: Any) -> dict[str, Any]:
    """The claims, as an upstream finds them that looks at everything.  Raises jwt.PyJWTError, KeyError."""
    head = jwt.get_unverified_header(value)
    assert head.keys() == {"alg", "kid", "typ"}
    assert head["typ"] == TYPE
    key = jwt.PyJWKSet.from_dict(dict(key_set))[head["kid"]]
    claims: dict[str, Any] = jwt.decode(
        value, key.key, algorithms=[head["alg"]], issuer=NAME, audience=audience, options=options
    )
    return claims
