"""The signature algorithms (RFC 7518 section 3, RFC 8037, RFC 9864), one row each.

A row holds all that is known of an algorithm; code below receives the row, never a name.  There is no row for ``none``.
The mathematics is cryptography's, and for HMAC Python's: none of it is ours.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from bearerd.errors import BadSignature
from bearerd.jws.curves import CURVES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    Check = Callable[[bytes, bytes], None]  # (what is signed, signature); raises BadSignature


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm.  ``bind(material)`` is its check under one key, which raises BadSignature; nothing else says yes or no.

    ``material`` is the public key object of cryptography that ``kty`` and ``curves`` call for, or the secret's bytes
    (``oct``): ``keys`` binds the two, once for all tokens, so that no row ever meets another kind of key.
    """

    name: str
    kty: str
    curves: tuple[str, ...]  # the ``crv`` values that go with it; none for RSA and oct
    hash: hashes.HashAlgorithm | None  # None: inherent (EdDSA)
    padding: padding.AsymmetricPadding | None  # RSA only
    signature_size: int | None  # bytes; None: the key's matter (RSA's modulus, the Edwards curve)
    bind: Callable[[Any], Check] = field(repr=False)
    of_digest: bool = False  # ``bind``'s check is given SHA-256 of the signing input in its place

    @property
    def symmetric(self) -> bool:
        """Whether whoever can verify can also sign."""
        return self.kty == "oct"


def _given(digest: hashes.HashAlgorithm) -> hashes.HashAlgorithm | Prehashed:
    """SHA-256 of a signing input is made once, for it names the token, too (``verify.verified``)."""
    return Prehashed(digest) if isinstance(digest, hashes.SHA256) else digest


def _rsa(name: str, digest: hashes.HashAlgorithm, pad: padding.AsymmetricPadding) -> Algorithm:
    given = _given(digest)

    def bind(key: RSAPublicKey) -> Check:
        size, verify = (key.key_size + 7) // 8, key.verify

        def check(data: bytes, signature: bytes) -> None:
            if len(signature) != size:  # RFC 8017 sections 8.1.2 and 8.2.2, step 1
                raise BadSignature("the signature is not as long as the modulus")
            try:
                verify(signature, data, pad, given)
            except InvalidSignature:
                raise BadSignature("the signature does not verify") from None

        return check

    return Algorithm(name, "RSA", (), digest, pad, None, bind, isinstance(given, Prehashed))


def _pkcs1(name: str, digest: hashes.HashAlgorithm) -> Algorithm:
    return _rsa(name, digest, padding.PKCS1v15())


def _pss(name: str, digest: hashes.HashAlgorithm) -> Algorithm:
    # RFC 7518 section 3.5: MGF1 with the same hash, and a salt exactly as long as its output.
    return _rsa(name, digest, padding.PSS(padding.MGF1(digest), digest.digest_size))


def _ecdsa(name: str, crv: str, digest: hashes.HashAlgorithm) -> Algorithm:
    curve, given = CURVES[crv], _given(digest)
    scheme = ec.ECDSA(given)
    half, order = curve.size, curve.order
    assert order is not None  # noqa: S101 - tells mypy what the curve's row says

    def bind(key: ec.EllipticCurvePublicKey) -> Check:
        verify = key.verify

        def check(data: bytes, signature: bytes) -> None:
            if len(signature) != 2 * half:  # RFC 7518 section 3.4: r and s at full length, never DER
                raise BadSignature("the signature is not the two integers of this curve")
            r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
            if not (0 < r < order and 0 < s < order):  # r = s = 0 is CVE-2022-21449
                raise BadSignature("r or s is out of range")
            try:
                verify(encode_dss_signature(r, s), data, scheme)
            except InvalidSignature:
                raise BadSignature("the signature does not verify") from None

        return check

    return Algorithm(name, "EC", (crv,), digest, None, 2 * half, bind, isinstance(given, Prehashed))


def _eddsa(name: str, *crvs: str) -> Algorithm:
    def bind(key: Ed25519PublicKey | Ed448PublicKey) -> Check:
        verify = key.verify

        def check(data: bytes, signature: bytes) -> None:
            try:
                verify(signature, data)  # refuses another length, and s beyond the order (RFC 8032 section 5.1.7)
            except InvalidSignature:
                raise BadSignature("the signature does not verify") from None

        return check

    size = CURVES[crvs[0]].signature_size if len(crvs) == 1 else None
    return Algorithm(name, "OKP", crvs, None, None, size, bind)


def _hmac(name: str, digest: hashes.HashAlgorithm) -> Algorithm:
    def bind(secret: bytes) -> Check:
        def check(data: bytes, signature: bytes) -> None:
            if not hmac.compare_digest(hmac.digest(secret, data, digest.name), signature):
                raise BadSignature("the signature does not verify")

        return check

    return Algorithm(name, "oct", (), digest, None, digest.digest_size, bind)


_ROWS: Final = (
    _pkcs1("RS256", hashes.SHA256()),
    _pkcs1("RS384", hashes.SHA384()),
    _pkcs1("RS512", hashes.SHA512()),
    _pss("PS256", hashes.SHA256()),
    _pss("PS384", hashes.SHA384()),
    _pss("PS512", hashes.SHA512()),
    _ecdsa("ES256", "P-256", hashes.SHA256()),
    _ecdsa("ES384", "P-384", hashes.SHA384()),
    _ecdsa("ES512", "P-521", hashes.SHA512()),
    _eddsa("EdDSA", "Ed25519", "Ed448"),
    _eddsa("Ed25519", "Ed25519"),
    _eddsa("Ed448", "Ed448"),
    _hmac("HS256", hashes.SHA256()),
    _hmac("HS384", hashes.SHA384()),
    _hmac("HS512", hashes.SHA512()),
)

ALGORITHMS: Final[dict[str, Algorithm]] = {row.name: row for row in _ROWS}
"""By ``alg``."""

if len(ALGORITHMS) != len(_ROWS):
    raise AssertionError("algorithms.ALGORITHMS must hold each name once")
