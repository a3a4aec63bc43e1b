"""The elliptic curves of JOSE, one row each (RFC 7518 section 6.2.1.1, RFC 8037 section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Curve:
    """All that is known of a curve.  Sizes are bytes."""

    crv: str
    kty: str
    size: int  # of a coordinate (EC), or of the encoded point (OKP)
    signature_size: int
    order: int | None  # of the base point, where signatures are a pair of integers below it
    public_key: Callable[..., Any]  # from x and y (EC), or x (OKP); raises ValueError for what is no usable point


def _weierstrass(curve: ec.EllipticCurve) -> Callable[[bytes, bytes], ec.EllipticCurvePublicKey]:
    def public_key(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
        # cryptography checks that the point lies on the curve: else an "invalid curve" could be chosen.
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()

    return public_key


def _edwards(
    load: Callable[[bytes], Any], prime: int, sign_bit: int, small_order: frozenset[int]
) -> Callable[[bytes], Any]:
    def public_key(x: bytes) -> Any:
        # Under a point of small order (an all-zero placeholder is one) anybody can make signatures, and OpenSSL
        # accepts them: SHOULD-level checks of RFC 8032 leave this to the caller.
        if (int.from_bytes(x, "little") & ~(1 << sign_bit)) % prime in small_order:
            raise ValueError("the point has small order")
        return load(x)

    return public_key


_P25519: Final = 2**255 - 19
_P448: Final = 2**448 - 2**224 - 1
# y of a point of order 8; with 0, 1 and -1 these are all y whose points have an order that divides the cofactor.
_Y8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_25519: Final = frozenset({0, 1, _P25519 - 1, _Y8, _P25519 - _Y8})
_SMALL_448: Final = frozenset({0, 1, _P448 - 1})

_ROWS: Final = (
    Curve(
        "P-256", "EC", 32, 64,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        _weierstrass(ec.SECP256R1()),
    ),
    Curve(
        "P-384", "EC", 48, 96,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        _weierstrass(ec.SECP384R1()),
    ),
    Curve(
        "P-521", "EC", 66, 132,
        0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
        _weierstrass(ec.SECP521R1()),
    ),
    Curve(
        "Ed25519", "OKP", 32, 64, None,
        _edwards(ed25519.Ed25519PublicKey.from_public_bytes, _P25519, 255, _SMALL_25519),
    ),
    Curve(
        "Ed448", "OKP", 57, 114, None,
        _edwards(ed448.Ed448PublicKey.from_public_bytes, _P448, 455, _SMALL_448),
    ),
)  # fmt: skip

CURVES: Final[dict[str, Curve]] = {row.crv: row for row in _ROWS}
"""By ``crv``."""
