"""Keys that sign (RFC 7515), and what the world is told of them (RFC 7517): the other half of ``jws.keys``.

A key signs with one algorithm, which follows from what it is.  The mathematics is cryptography's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bearerd.errors import UnusableKey
from bearerd.jws import keys
from bearerd.jws.keys import text, uint

if TYPE_CHECKING:
    from collections.abc import Mapping

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

PRIVATE: Final = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_COORDINATE: Final = 32  # bytes, of P-256


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key for one algorithm."""

    kid: str
    alg: str
    private: PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """A JWS signature (RFC 7518 section 3, RFC 8037)."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(_COORDINATE) + s.to_bytes(_COORDINATE)
        return self.private.sign(data)

    def jwk(self) -> dict[str, str]:
        """The public key (RFC 7517)."""
        return described(self.private.public_key(), self.kid)


def algorithm_of(key: object) -> str:
    """What a private or public key signs with.  Raises UnusableKey for one that nothing here signs with."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return "EdDSA"
    if not isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        raise UnusableKey("neither RSA, nor EC, nor Ed25519")
    if not isinstance(key.curve, ec.SECP256R1):
        raise UnusableKey(f"its curve is {key.curve.name}, not P-256")
    return "ES256"


def named(private: PrivateKey) -> SigningKey:
    """The key under its thumbprint (RFC 7638), so that two programs call it the same.  Raises UnusableKey."""
    return SigningKey(thumbprint(private.public_key()), algorithm_of(private), private)


def thumbprint(public: PublicKey) -> str:
    """RFC 7638.  Raises UnusableKey for a key that is no good for verifying: RSA outside 2048 to 8192 bits."""
    algorithm_of(public)
    return keys.from_jwk(members(public)).thumbprint


def described(public: PublicKey, kid: str | None = None) -> dict[str, str]:
    """A public key as a key set has it; under its thumbprint, where it has no other name.  Raises UnusableKey."""
    return {"kid": kid or thumbprint(public), "alg": algorithm_of(public), "use": "sig"} | members(public)


def members(public: PublicKey) -> dict[str, str]:
    """The members of a JWK that are the key itself (RFC 7518 section 6, RFC 8037 section 2)."""
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": uint(numbers.n), "e": uint(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        x, y = (text(number.to_bytes(_COORDINATE)) for number in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return {"kty": "OKP", "crv": "Ed25519", "x": text(public.public_bytes_raw())}


def from_private_jwk(jwk: Mapping[str, Any]) -> PrivateKey:
    """The private key of a JWK that holds one.  Raises UnusableKey, also where its two halves are not of one key."""
    try:
        private = _private(jwk)
        alg = algorithm_of(private)
    except ValueError:  # cryptography's: its words may quote the numbers
        raise UnusableKey("its private members are those of no key") from None
    public = {name: value for name, value in jwk.items() if name not in (*keys.PRIVATE_MEMBERS, "key_ops")}
    told = keys.from_jwk(public)
    if alg not in told.algorithms:
        raise UnusableKey(f"its alg is not {alg}, which is what such a key signs with here")
    if told.thumbprint != thumbprint(private.public_key()):
        raise UnusableKey("its private members are those of another key")
    return private


def _private(jwk: Mapping[str, Any]) -> PrivateKey:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    secret = keys.octets(jwk, "d")
    if kty == "RSA" and "oth" not in jwk:
        n, e, d = (int.from_bytes(keys.octets(jwk, name)) for name in ("n", "e", "d"))
        p, q = rsa.rsa_recover_prime_factors(n, e, d)
        rest = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
        return rsa.RSAPrivateNumbers(p, q, d, *rest, rsa.RSAPublicNumbers(e, n)).private_key()
    if (kty, crv) == ("EC", "P-256"):
        return ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
    if (kty, crv) == ("OKP", "Ed25519"):
        return ed25519.Ed25519PrivateKey.from_private_bytes(secret)
    raise UnusableKey("neither RSA, nor P-256, nor Ed25519")


def compact(key: SigningKey, head: bytes, payload: bytes) -> str:
    """A JWS in compact form (RFC 7515 section 3.1).  ``head``: as of ``header``."""
    signing_input = head + text(payload).encode()
    return f"{signing_input.decode()}.{text(key.sign(signing_input))}"


def header(key: SigningKey, typ: str) -> bytes:
    """The protected header, encoded, and the dot behind it: the same for everything that a key signs."""
    return text(orjson.dumps({"alg": key.alg, "kid": key.kid, "typ": typ})).encode() + b"."
