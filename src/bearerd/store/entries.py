"""What a revocation is about, as 16 bytes: the key under which it is stored and under which a token is probed.

Contracts section 5: the first 16 bytes of SHA-256("bearerd-rev-1" || 0x00 || kind byte || u32be length || issuer ||
u32be length || value).  The lengths make the reading unique, and the issuer is always part of it: the same subject
under another issuer is another key.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from bearerd._native import probes as _native

KEY_SIZE: Final = 16  # bytes
API_KEYS: Final = "urn:bearerd:apikey"  # the issuer under which API keys are revoked


class Kind(IntEnum):
    """What is revoked; the number is the kind byte of the key and never changes."""

    TOKEN = 1  # its ``jti``, else the digest of its signing input (``token_value``)
    SUBJECT = 2  # ``sub``
    SESSION = 3  # ``sid``
    CLIENT = 4  # ``client_id``, else ``azp``, ``appid``, ``cid``
    KEY = 5  # RFC 7638 thumbprint of the key that signed (SHA-256, base64url)
    ISSUER = 6  # everything of one issuer; the value is empty

    @classmethod
    def named(cls, name: str) -> Kind:
        """The kind that the API calls ``name`` (lower case).  Raises ValueError."""
        try:
            return cls[name.upper()] if name.islower() else cls[""]
        except KeyError:
            raise ValueError(f"no such kind: {name!r}; one of {', '.join(k.name.lower() for k in cls)}") from None


def key(kind: Kind, issuer: str, value: str) -> bytes:
    """The 16-byte key of a revocation.

    ``value`` of a token without ``jti`` is ``digest_value(...)``; of an issuer it is empty.  Raises ValueError for text
    that has no UTF-8 form (lone surrogates).
    """
    return _native.key(kind, issuer, value)


def digest_value(signing_input_digest: bytes) -> str:
    """The value of kind ``token`` for a token known by its signing input: that SHA-256 (32 bytes) in lower-case hex.

    The signing input, not the whole token: the signature part can be re-encoded, and an ECDSA signature has a second
    valid form, without the token becoming another one.
    """
    if len(signing_input_digest) != 32:
        raise ValueError("not a SHA-256 digest")
    return signing_input_digest.hex()


def token_value(jti: str | None, signing_input_digest: bytes) -> str:
    """The value under which one token is revoked: its ``jti``; without one, or with an empty one, its digest."""
    return jti or digest_value(signing_input_digest)


def probes(
    issuer: str,
    jti: str | None,
    signing_input_digest: bytes,
    subject: str | None,
    session: str | None,
    client: str | None,
    thumbprint: str | None,
) -> bytes:
    """Every key under which a token may be revoked, concatenated (16 bytes each, at most 7).

    ``signing_input_digest`` is the SHA-256 (32 bytes) of ``header.payload`` exactly as presented, which strict
    canonical base64url makes the only spelling.  Absent claims are None.  Order: jti, digest, subject, session,
    client, key, issuer.
    """
    return _native.probes(issuer, jti, signing_input_digest, subject, session, client, thumbprint)
