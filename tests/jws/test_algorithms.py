from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st
from support import jose

from bearerd.errors import BadSignature
from bearerd.jws import keys
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.curves import CURVES

DATA = b"header.payload"
NAMES = sorted(ALGORITHMS)


def bound(alg: str) -> keys.Key:
    return keys.from_jwk(jose.jwk(jose.KIND[alg]), symmetric=True)


def sign(alg: str, data: bytes = DATA) -> bytes:
    return jose.signature(alg, data, jose.private(jose.KIND[alg]))


@pytest.mark.parametrize("name", NAMES)
def test_a_good_signature_verifies(name: str) -> None:
    bound(name).verify(ALGORITHMS[name], DATA, sign(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_of_other_data_does_not_verify(name: str) -> None:
    with pytest.raises(BadSignature):
        bound(name).verify(ALGORITHMS[name], DATA + b"!", sign(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + b"\0", lambda s: b"\0" + s, lambda _: b""])
def test_a_signature_of_another_length_does_not_verify(name: str, change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadSignature):
        bound(name).verify(ALGORITHMS[name], DATA, change(sign(name)))


@pytest.mark.parametrize("name", NAMES)
def test_no_single_flipped_bit_of_a_signature_verifies(name: str) -> None:
    good = sign(name)
    for place in {0, len(good) // 2, len(good) - 1}:
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            with pytest.raises(BadSignature):
                bound(name).verify(ALGORITHMS[name], DATA, bytes(bad))


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("ES")])
def test_ecdsa_zero_and_order_are_out_of_range(name: str) -> None:
    row = ALGORITHMS[name]
    curve = CURVES[row.curves[0]]
    assert curve.order is not None
    r = sign(name)[: curve.size]
    for forged in (bytes(2 * curve.size), r + bytes(curve.size), bytes(curve.size) + r):
        with pytest.raises(BadSignature, match="out of range"):
            bound(name).verify(row, DATA, forged)
    order = curve.order.to_bytes(curve.size)
    for forged in (order + r, r + order):
        with pytest.raises(BadSignature, match="out of range"):
            bound(name).verify(row, DATA, forged)


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("ES")])
def test_an_ecdsa_signature_in_der_does_not_verify(name: str) -> None:
    der = jose.private(jose.KIND[name]).sign(DATA, ec.ECDSA(jose.HASHES[name[2:]]))
    with pytest.raises(BadSignature):
        bound(name).verify(ALGORITHMS[name], DATA, der)


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("ES")])
def test_an_ecdsa_signature_with_a_zero_between_its_integers_does_not_verify(name: str) -> None:
    good, half = sign(name), CURVES[ALGORITHMS[name].curves[0]].size
    with pytest.raises(BadSignature):
        bound(name).verify(ALGORITHMS[name], DATA, good[:half] + b"\0" + good[half:])


def test_curve_orders_are_those_of_cryptography() -> None:
    for crv, (curve, size) in jose.CURVES.items():
        assert CURVES[crv].size == size == (curve.key_size + 7) // 8
        assert CURVES[crv].order == curve.group_order


@pytest.mark.parametrize("salt", [0, 20, 64, padding.PSS.MAX_LENGTH])
def test_pss_with_another_salt_length_does_not_verify(salt: int) -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    made = jose.private("RSA").sign(DATA, pss, hashes.SHA256())
    with pytest.raises(BadSignature):
        bound("PS256").verify(ALGORITHMS["PS256"], DATA, made)


def test_pss_with_another_mask_hash_does_not_verify() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), 32)
    made = jose.private("RSA").sign(DATA, pss, hashes.SHA256())
    with pytest.raises(BadSignature):
        bound("PS256").verify(ALGORITHMS["PS256"], DATA, made)


@pytest.mark.parametrize(("made", "tried"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS384")])
def test_an_rsa_signature_counts_for_its_own_scheme_only(made: str, tried: str) -> None:
    with pytest.raises(BadSignature):
        bound(tried).verify(ALGORITHMS[tried], DATA, sign(made))


def test_there_is_no_row_for_none() -> None:
    assert not {name for name in ALGORITHMS if name.lower() == "none"}


def test_only_hmac_rows_are_symmetric() -> None:
    assert {row.name for row in ALGORITHMS.values() if row.symmetric} == {"HS256", "HS384", "HS512"}


def test_every_row_of_a_curve_goes_with_that_curves_kty() -> None:
    for row in ALGORITHMS.values():
        for crv in row.curves:
            assert CURVES[crv].kty == row.kty


@given(data=st.binary(max_size=64), noise=st.binary(min_size=64, max_size=64))
def test_noise_is_no_ed25519_signature(data: bytes, noise: bytes) -> None:
    with pytest.raises(BadSignature):
        bound("EdDSA").verify(ALGORITHMS["EdDSA"], data, noise)


def test_an_ed25519_signature_with_the_order_added_to_s_does_not_verify() -> None:
    """RFC 8032 section 5.1.7: else every signature had a second spelling."""
    order = 2**252 + 27742317777372353535851937790883648493
    good = sign("Ed25519")
    s = int.from_bytes(good[32:], "little") + order
    with pytest.raises(BadSignature):
        bound("Ed25519").verify(ALGORITHMS["Ed25519"], DATA, good[:32] + s.to_bytes(32, "little"))
