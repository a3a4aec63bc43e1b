"""JSON Web Keys (RFC 7517): a JWK becomes a frozen key, bound to the algorithms that it may verify.

The binding is made here, once, from the key's own members: what a token claims about its algorithm can choose among
them, never add to them (RFC 8725 section 3.1; this is what stops an RSA public key from being used as an HMAC secret).
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa

from bearerd._native import jws as _native
from bearerd.errors import UnsupportedAlg, UnusableKey
from bearerd.jws.algorithms import ALGORITHMS, Algorithm
from bearerd.jws.curves import CURVES, Curve

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bearerd.jws.algorithms import Check

RSA_LEAST_BITS: Final = 2048  # RFC 7518 sections 3.3 and 3.5
RSA_MOST_BITS: Final = 8192  # beyond it one verification costs a millisecond: a key set must not slow a worker down
RSA_MOST_EXPONENT: Final = 2**32 - 1  # likewise; every exponent in the field is 3 or 65537

PRIVATE_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi", "oth")  # RFC 7518 section 6.3.2, RFC 8037 section 2


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it may do.  Two keys are equal if all but the key material's objects are (the thumbprint tells it)."""

    kid: str | None
    kty: str
    algorithms: frozenset[str]  # names of the algorithms that it may verify
    thumbprint: str  # RFC 7638 with SHA-256, base64url; for ``oct`` a digest of the secret: never show it
    public: Any = field(repr=False, compare=False)  # the key as cryptography has it (``oct``: the secret)
    _checks: Mapping[str, Check] = field(repr=False, compare=False)  # by algorithm, each bound to that key

    @property
    def bits(self) -> int | None:
        """The size of an RSA modulus; None: a key of another kind, whose size its algorithm tells."""
        return int(self.public.key_size) if self.kty == "RSA" else None

    def allows(self, alg: Algorithm) -> bool:
        """Whether this key may verify that algorithm."""
        return alg.name in self.algorithms

    def verify(self, alg: Algorithm, signing_input: bytes, signature: bytes) -> None:
        """Check a signature.  Raises BadSignature, or UnsupportedAlg where the key is not for that algorithm."""
        self.check(alg)(hashlib.sha256(signing_input).digest() if alg.of_digest else signing_input, signature)

    def check(self, alg: Algorithm) -> Check:
        """What checks its signatures by that algorithm (see ``Algorithm.bind``).  Raises UnsupportedAlg."""
        check = self._checks.get(alg.name)
        if check is None:
            raise UnsupportedAlg(f"the key is not for {alg.name}")
        return check


def from_jwk(jwk: Mapping[str, Any], *, symmetric: bool = False) -> Key:
    """Read one JWK.  ``oct`` keys only with ``symmetric``: a key set that strangers can read must hold none.

    Raises UnusableKey: unknown or incomplete, private, RSA outside 2048 to 8192 bits, a point off its curve, meant for
    another purpose by ``use``, ``key_ops`` or ``alg`` (RFC 7517 section 4).
    """
    kid = _optional_text(jwk, "kid")
    if private := [name for name in PRIVATE_MEMBERS if name in jwk]:
        raise UnusableKey(f"the key is private: it has {', '.join(private)}")
    _check_purpose(jwk)
    kty = jwk.get("kty")
    if kty == "RSA":
        return _rsa(jwk, kid)
    if kty in ("EC", "OKP"):
        return _on_curve(jwk, kid, kty)
    if kty != "oct":
        raise UnusableKey("kty is none of RSA, EC and OKP")
    if not symmetric:
        raise UnusableKey("kty is oct: a secret has no place here")
    return _secret(octets(jwk, "k"), kid, jwk)


def from_secret(secret: bytes) -> Key:
    """The key of a configured shared secret, for the HS algorithms whose digest is not longer than it.

    Raises UnusableKey for less than 32 bytes (RFC 7518 section 3.2).
    """
    return _secret(secret, None, {})


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    """``use`` and ``key_ops``, where they are given, must be for verifying signatures (RFC 7517 sections 4.2, 4.3)."""
    if "use" in jwk and jwk["use"] != "sig":
        raise UnusableKey("use is not sig")
    if "key_ops" in jwk:
        operations = jwk["key_ops"]
        if not isinstance(operations, list | tuple) or "verify" not in operations:
            raise UnusableKey("key_ops is not a list with verify")


def _rsa(jwk: Mapping[str, Any], kid: str | None) -> Key:
    n, e = (int.from_bytes(octets(jwk, name)) for name in ("n", "e"))
    if not RSA_LEAST_BITS <= n.bit_length() <= RSA_MOST_BITS:
        raise UnusableKey(f"the modulus has {n.bit_length()} bits, not {RSA_LEAST_BITS} to {RSA_MOST_BITS}")
    if n % 2 == 0 or e % 2 == 0 or not 3 <= e <= RSA_MOST_EXPONENT:
        raise UnusableKey("the modulus is even, or the exponent is none of the odd numbers from 3 to 2^32")
    material = rsa.RSAPublicNumbers(e, n).public_key()
    # Leading zero octets, which RFC 7518 section 6.3.1.1 forbids and real issuers send, do not change the key; in the
    # thumbprint they would make two names of one key, and a revoked key could come back under the other.
    members = {"e": uint(e), "kty": "RSA", "n": uint(n)}
    return _bound(kid, "RSA", _algorithms(jwk, _fitting("RSA")), _thumbprint(members), material)


def _on_curve(jwk: Mapping[str, Any], kid: str | None, kty: str) -> Key:
    curve = CURVES.get(crv) if isinstance(crv := jwk.get("crv"), str) else None
    if curve is None or curve.kty != kty:
        raise UnusableKey(f"crv is no curve of {kty} known here")
    names = ("x", "y") if kty == "EC" else ("x",)
    coordinates = [_coordinate(jwk, name, curve) for name in names]
    try:
        material = curve.public_key(*coordinates)
    except ValueError as fault:
        raise UnusableKey(f"not a usable point of {curve.crv}: {fault}") from None
    members = {"crv": curve.crv, "kty": kty} | {name: jwk[name] for name in names}
    return _bound(kid, kty, _algorithms(jwk, _fitting(kty, curve)), _thumbprint(members), material)


def _secret(secret: bytes, kid: str | None, jwk: Mapping[str, Any]) -> Key:
    fitting = {row.name for row in ALGORITHMS.values() if row.symmetric and (row.signature_size or 0) <= len(secret)}
    if not fitting:
        raise UnusableKey("the secret is shorter than 32 bytes")
    return _bound(kid, "oct", _algorithms(jwk, fitting), _thumbprint({"k": text(secret), "kty": "oct"}), secret)


def _bound(kid: str | None, kty: str, algorithms: frozenset[str], thumbprint: str, material: Any) -> Key:
    checks = {name: ALGORITHMS[name].bind(material) for name in algorithms}
    return Key(kid, kty, algorithms, thumbprint, material, checks)


def _fitting(kty: str, curve: Curve | None = None) -> set[str]:
    """Names of the algorithms that a kty, and where it has one its curve, can serve."""
    return {row.name for row in ALGORITHMS.values() if row.kty == kty and (curve is None or curve.crv in row.curves)}


def _algorithms(jwk: Mapping[str, Any], fitting: Collection[str]) -> frozenset[str]:
    """Those that fit, or of them only the one that ``alg`` names (RFC 7517 section 4.4)."""
    if "alg" not in jwk:
        return frozenset(fitting)
    alg = jwk["alg"]
    if not isinstance(alg, str) or alg not in fitting:
        raise UnusableKey("alg is no signature algorithm that fits this key")
    return frozenset({alg})


def _coordinate(jwk: Mapping[str, Any], name: str, curve: Curve) -> bytes:
    """A coordinate at its full length (RFC 7518 section 6.2.1.2)."""
    value = octets(jwk, name)
    if len(value) != curve.size:
        raise UnusableKey(f"{name} has {len(value)} bytes, not the {curve.size} of {curve.crv}")
    return value


def octets(jwk: Mapping[str, Any], name: str) -> bytes:
    """A member in strict base64url."""
    text = jwk.get(name)
    if not isinstance(text, str) or not text.isascii():
        raise UnusableKey(f"{name} is missing or not base64url")
    try:
        return _native.b64decode(text.encode())
    except _native.Malformed:
        raise UnusableKey(f"{name} is not canonical base64url without padding") from None


def _optional_text(jwk: Mapping[str, Any], name: str) -> str | None:
    if name not in jwk:
        return None
    value = jwk[name]
    if not isinstance(value, str):
        raise UnusableKey(f"{name} is not a string")
    return value


def _thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638 section 3: the required members only, in lexicographic order, without white space."""
    return text(hashlib.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest())


def uint(number: int) -> str:
    """Base64urlUInt (RFC 7518 section 2): as few octets as the number needs."""
    return text(number.to_bytes((number.bit_length() + 7) // 8))


def text(value: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()
