"""Keys and tokens for tests: signed by cryptography directly, so that any header, payload or signature can be made."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}
HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
KIND = {  # what private key an algorithm needs
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519", "Ed448": "Ed448",
    "HS256": "oct", "HS384": "oct", "HS512": "oct",
}  # fmt: skip
SECRET = bytes(range(64))


def b64(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def private(kind: str, number: int = 0) -> Any:
    """A private key of a kind: ``RSA``, ``RSA-1024`` (any size), a curve, or ``oct``; another one for another number."""
    return _private(kind, number)


@cache
def _private(kind: str, number: int) -> Any:
    if kind == "oct":
        return SECRET if number == 0 else bytes([number]) * 64
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.partition("-")[2] or 2048))
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind][0])
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ed448.Ed448PrivateKey.generate()


def jwk(kind: str, number: int = 0, **members: Any) -> dict[str, Any]:
    """The public JWK of ``private(kind, number)``, with these members added."""
    key = private(kind, number)
    if kind == "oct":
        return {"kty": "oct", "k": b64(key)} | members
    if kind.startswith("RSA"):
        numbers = key.public_key().public_numbers()
        n, e = (b64(value.to_bytes((value.bit_length() + 7) // 8)) for value in (numbers.n, numbers.e))
        return {"kty": "RSA", "n": n, "e": e} | members
    if kind in CURVES:
        point, size = key.public_key().public_numbers(), CURVES[kind][1]
        x, y = b64(point.x.to_bytes(size)), b64(point.y.to_bytes(size))
        return {"kty": "EC", "crv": kind, "x": x, "y": y} | members
    x = b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return {"kty": "OKP", "crv": kind, "x": x} | members


def signature(alg: str, data: bytes, key: Any) -> bytes:
    """A signature as JOSE spells it."""
    digest = HASHES.get(alg[2:])
    if alg.startswith("HS"):
        assert digest is not None
        return hmac.digest(key, data, digest.name)
    if alg.startswith(("RS", "PS")):
        assert digest is not None
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return bytes(key.sign(data, padding.PKCS1v15() if alg.startswith("RS") else pss, digest))
    if alg.startswith("ES"):
        assert digest is not None
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        size = CURVES[KIND[alg]][1]
        return r.to_bytes(size) + s.to_bytes(size)
    return bytes(key.sign(data))


def compact(header: Any, payload: Any, alg: str, key: Any) -> str:
    """A compact JWS; header and payload are JSON values, or bytes as they are."""
    first, second = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    signing_input = f"{b64(first)}.{b64(second)}"
    return f"{signing_input}.{b64(signature(alg, signing_input.encode(), key))}"


def token(alg: str, payload: Any = b"payload", *, number: int = 0, **header: Any) -> str:
    """A token signed with ``private(KIND[alg], number)``."""
    return compact({"alg": alg} | header, payload, alg, private(KIND[alg], number))
