"""An issuer's keys, and tokens of the size that real issuers hand out."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER: Final = "https://issuer.example.com/"
AUDIENCE: Final = "https://api.example.com"
SIZE: Final = 739  # bytes of an RS256 token; the others are shorter by what their signatures are shorter
LIFETIME: Final = 3600


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    """A number of a JWK."""
    return b64(value.to_bytes(size, "big"))


@dataclass
class Issuer:
    """One key per algorithm."""

    rs256: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    es256: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    eddsa: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    minted: int = 0

    def jwks(self, *algorithms: str) -> dict[str, Any]:
        """The key set, or the part of it for some algorithms."""
        n, point = self.rs256.public_key().public_numbers().n, self.es256.public_key().public_numbers()
        keys = {
            "RS256": {"kty": "RSA", "n": number(n, 256), "e": "AQAB"},
            "ES256": {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)},
            "EdDSA": {"kty": "OKP", "crv": "Ed25519", "x": b64(self.eddsa.public_key().public_bytes_raw())},
        }
        return {
            "keys": [
                {**key, "kid": name.lower(), "alg": name, "use": "sig"}
                for name, key in keys.items()
                if not algorithms or name in algorithms
            ]
        }

    def write_pem(self, file: Path) -> Path:
        """The RSA key alone, for those who take no key set."""
        file.write_bytes(self.rs256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return file

    def token(self, algorithm: str = "RS256", scope: str = "orders:read") -> str:
        """A token that differs from every other in its ``jti``."""
        self.minted += 1
        head = b64(_json({"alg": algorithm, "typ": "JWT", "kid": algorithm.lower()})) + "."
        room = SIZE - len(head) - 1 - len(b64(bytes(256)))
        signed = head + b64(self._claims(room, scope))
        return f"{signed}.{b64(self._sign(algorithm, signed.encode()))}"

    def tokens(self, count: int, algorithm: str = "RS256") -> list[str]:
        """So many."""
        return [self.token(algorithm) for _ in range(count)]

    def _claims(self, room: int, scope: str) -> bytes:
        """Claims whose base64url fills the room; a name is as long as it takes."""
        now = int(time.time()) - 5
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "8f14e45f-ceea-467f-a8f3-2b0c5d1e9a77",
            "iat": now,
            "exp": now + LIFETIME,
            "jti": f"{self.minted:012d}",
            "client_id": "orders",
            "scope": scope,
            "name": "",
        }
        claims["name"] = "n" * (room * 3 // 4 - len(_json(claims)))
        return _json(claims)

    def _sign(self, algorithm: str, data: bytes) -> bytes:
        if algorithm == "RS256":
            return self.rs256.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if algorithm == "ES256":
            r, s = decode_dss_signature(self.es256.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.eddsa.sign(data)


def tampered(token: str) -> str:
    """The same with another signature."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
