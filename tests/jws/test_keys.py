from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk as joserfc_jwk
from support import jose
from support.jose import b64, jwk

from bearerd.errors import UnsupportedAlg, UnusableKey
from bearerd.jws import keys
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.curves import CURVES

KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448", "oct")
PUBLIC_KINDS = KINDS[:-1]
ALGORITHMS_OF = {
    "RSA": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    "P-256": {"ES256"},
    "P-384": {"ES384"},
    "P-521": {"ES512"},
    "Ed25519": {"EdDSA", "Ed25519"},
    "Ed448": {"EdDSA", "Ed448"},
    "oct": {"HS256", "HS384", "HS512"},
}


def read(members: dict[str, Any]) -> keys.Key:
    return keys.from_jwk(members, symmetric=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_may_verify_what_its_kty_and_curve_can(kind: str) -> None:
    assert read(jwk(kind)).algorithms == ALGORITHMS_OF[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_alg_leaves_one_algorithm(kind: str) -> None:
    for name in ALGORITHMS_OF[kind]:
        assert read(jwk(kind, alg=name)).algorithms == {name}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alg", ["none", "RSA-OAEP", "rs256", "", None, 7, ["RS256"]])
def test_an_alg_that_is_none_of_the_keys_makes_it_unusable(kind: str, alg: object) -> None:
    with pytest.raises(UnusableKey, match="alg"):
        read(jwk(kind, alg=alg))


@pytest.mark.parametrize("kind", KINDS)
def test_an_alg_of_another_kty_makes_a_key_unusable(kind: str) -> None:
    for name in set(ALGORITHMS) - ALGORITHMS_OF[kind]:
        with pytest.raises(UnusableKey):
            read(jwk(kind, alg=name))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_refuses_algorithms_that_are_not_its_own(kind: str) -> None:
    """RFC 8725 section 2.1: above all an RSA key and HS256."""
    key = read(jwk(kind))
    for row in ALGORITHMS.values():
        assert key.allows(row) == (row.name in ALGORITHMS_OF[kind])
        if not key.allows(row):
            with pytest.raises(UnsupportedAlg):
                key.verify(row, b"data", b"signature")


@pytest.mark.parametrize("kind", PUBLIC_KINDS)
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
def test_a_private_member_makes_a_key_unusable_whatever_its_value(kind: str, member: str) -> None:
    for value in ("AQAB", "", None, 0):
        with pytest.raises(UnusableKey, match="private"):
            read(jwk(kind) | {member: value})


@pytest.mark.parametrize("use", ["enc", "", "SIG", None, ["sig"]])
def test_another_use_makes_a_key_unusable(use: object) -> None:
    with pytest.raises(UnusableKey, match="use"):
        read(jwk("P-256", use=use))


@pytest.mark.parametrize("operations", [[], ["sign"], ["encrypt"], "verify", None, {"verify": 1}])
def test_key_ops_without_verify_makes_a_key_unusable(operations: object) -> None:
    with pytest.raises(UnusableKey, match="key_ops"):
        read(jwk("P-256", key_ops=operations))


def test_use_sig_and_key_ops_verify_are_fine() -> None:
    assert read(jwk("P-256", use="sig", key_ops=["sign", "verify"], kid="k")).kid == "k"


def test_both_use_and_key_ops_must_agree() -> None:
    with pytest.raises(UnusableKey):
        read(jwk("P-256", use="sig", key_ops=["encrypt"]))
    with pytest.raises(UnusableKey):
        read(jwk("P-256", use="enc", key_ops=["verify"]))


@pytest.mark.parametrize("kid", [None, 1, ["k"], {}])
def test_a_kid_that_is_no_string_makes_a_key_unusable(kid: object) -> None:
    with pytest.raises(UnusableKey, match="kid"):
        read(jwk("P-256", kid=kid))


@pytest.mark.parametrize("kty", [None, "rsa", "AKP", "", ["RSA"], {}, 3])
def test_an_unknown_kty_is_unusable(kty: object) -> None:
    with pytest.raises(UnusableKey, match="kty"):
        read(jwk("RSA") | {"kty": kty})


def test_an_oct_key_is_read_only_where_the_caller_says_so() -> None:
    with pytest.raises(UnusableKey, match="oct"):
        keys.from_jwk(jwk("oct"))


@pytest.mark.parametrize(
    ("size", "names"),
    [(32, {"HS256"}), (47, {"HS256"}), (48, {"HS256", "HS384"}), (64, {"HS256", "HS384", "HS512"})],
)
def test_a_secret_serves_only_digests_that_are_not_longer(size: int, names: set[str]) -> None:
    assert keys.from_secret(bytes(size)).algorithms == names


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_short_secret_is_unusable(size: int) -> None:
    with pytest.raises(UnusableKey, match="shorter than 32"):
        keys.from_secret(bytes(size))
    with pytest.raises(UnusableKey):
        read({"kty": "oct", "k": b64(bytes(size))})


def test_a_secret_too_short_for_its_alg_is_unusable() -> None:
    with pytest.raises(UnusableKey):
        read({"kty": "oct", "k": b64(bytes(32)), "alg": "HS512"})


def test_a_key_does_not_show_its_secret() -> None:
    key = keys.from_secret(b"correct horse battery staple and more")
    assert "horse" not in repr(key)
    assert b64(b"correct horse battery staple and more") not in repr(key)


# RSA


@pytest.mark.parametrize("bits", [1024, 2040])
def test_a_short_modulus_is_unusable(bits: int) -> None:
    with pytest.raises(UnusableKey, match=f"{bits} bits"):
        read(jwk(f"RSA-{bits}"))


def rsa_of(n: int, e: int = 65537) -> dict[str, Any]:
    return {
        "kty": "RSA",
        "n": b64(n.to_bytes((n.bit_length() + 7) // 8)),
        "e": b64(e.to_bytes((e.bit_length() + 7) // 8)),
    }


@pytest.mark.parametrize(("bits", "usable"), [(2047, False), (2048, True), (8192, True), (8193, False), (16384, False)])
def test_the_modulus_is_bounded_in_both_directions(bits: int, usable: bool) -> None:
    members = rsa_of((1 << (bits - 1)) + 1)
    if usable:
        assert read(members).kty == "RSA"
    else:
        with pytest.raises(UnusableKey, match="modulus"):
            read(members)


def test_an_even_modulus_is_unusable() -> None:
    with pytest.raises(UnusableKey, match="even"):
        read(rsa_of(1 << 2047))


@pytest.mark.parametrize("e", [1, 2, 4, 65536, 2**32 + 1, 2**64 + 1])
def test_an_exponent_out_of_reason_is_unusable(e: int) -> None:
    with pytest.raises(UnusableKey, match="exponent"):
        read(rsa_of((1 << 2047) + 1, e))


@pytest.mark.parametrize("member", ["n", "e"])
@pytest.mark.parametrize("value", [None, "", "A", "AQAB=", "AQ AB", "AQ+B", "AQ/B", "AR", "\u00e9", 65537, ["AQAB"]])
def test_rsa_members_are_strict_base64url(member: str, value: object) -> None:
    with pytest.raises(UnusableKey):
        read(jwk("RSA") | {member: value})


def test_a_missing_member_is_unusable() -> None:
    for kind in KINDS:
        for member in set(jwk(kind)) - {"kty"}:
            members = jwk(kind)
            del members[member]
            with pytest.raises(UnusableKey):
                read(members)


def test_leading_zero_octets_do_not_give_a_key_a_second_name() -> None:
    """A revoked key must not come back under another thumbprint."""
    plain = jwk("RSA")
    padded = plain | {name: b64(b"\0" + urlsafe_b64decode(plain[name] + "==")) for name in ("n", "e")}
    assert read(padded) == read(plain)


# Curves


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "Ed25519", "Ed448"])
def test_coordinates_have_their_full_length(kind: str) -> None:
    members = jwk(kind)
    for name in {"x", "y"} & set(members):
        octets = urlsafe_b64decode(members[name] + "==")
        for changed in (b"\0" + octets, octets[:-1], octets + b"\0", b""):
            with pytest.raises(UnusableKey, match=f"{name} has"):
                read(members | {name: b64(changed)})


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521"])
def test_a_point_off_its_curve_is_unusable(kind: str) -> None:
    size = CURVES[kind].size
    members = jwk(kind)
    for x, y in ((b64(bytes(size)), b64(bytes(size))), (members["y"], members["x"]), (b64(b"\xff" * size),) * 2):
        with pytest.raises(UnusableKey, match="not a usable point"):
            read(members | {"x": x, "y": y})


@pytest.mark.parametrize("crv", ["P-256K", "secp256k1", "X25519", "X448", "p-256", "", None, 7, ["P-256"]])
def test_an_unknown_curve_is_unusable(crv: object) -> None:
    for kind in ("P-256", "Ed25519"):
        with pytest.raises(UnusableKey, match="crv"):
            read(jwk(kind) | {"crv": crv})


def test_a_curve_of_another_kty_is_unusable() -> None:
    with pytest.raises(UnusableKey, match="crv"):
        read(jwk("P-256") | {"crv": "Ed25519"})
    with pytest.raises(UnusableKey, match="crv"):
        read(jwk("Ed25519") | {"crv": "P-256"})


P25519 = 2**255 - 19
P448 = 2**448 - 2**224 - 1
Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER = [
    ("Ed25519", (y + sign * 2**255).to_bytes(32, "little"))
    for y in (0, 1, P25519 - 1, Y8, P25519 - Y8, P25519, P25519 + 1)
    for sign in (0, 1)
] + [
    ("Ed448", (y + sign * 2**455).to_bytes(57, "little")) for y in (0, 1, P448 - 1, P448, P448 + 1) for sign in (0, 1)
]  # fmt: skip


@pytest.mark.parametrize(("crv", "x"), SMALL_ORDER)
def test_a_point_of_small_order_is_unusable(crv: str, x: bytes) -> None:
    with pytest.raises(UnusableKey, match="small order"):
        read({"kty": "OKP", "crv": crv, "x": b64(x)})


@pytest.mark.parametrize("x", [bytes(32), b"\1" + bytes(31), Y8.to_bytes(32, "little")])
def test_under_a_point_of_small_order_anybody_signs(x: bytes) -> None:
    """Why they are refused: cryptography verifies a signature that nobody made with a private key."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(x)
    forged = b"\1" + bytes(63)  # R is the neutral element, s is 0
    accepted = 0
    for number in range(64):
        try:
            key.verify(forged, b"message %d" % number)
        except Exception:  # noqa: BLE001 - whatever it raises, it did not accept
            continue
        accepted += 1
    assert accepted


def test_an_ordinary_edwards_point_is_no_point_of_small_order() -> None:
    for number in range(8):
        assert read(jwk("Ed25519", number)).kty == "OKP"
        assert read(jwk("Ed448", number)).kty == "OKP"
    assert isinstance(jose.private("Ed448"), ed448.Ed448PrivateKey)


# Thumbprints


@pytest.mark.parametrize("kind", KINDS)
def test_thumbprints_are_those_of_another_library(kind: str) -> None:
    members = jwk(kind, kid="ignored", use="sig")
    assert read(members).thumbprint == joserfc_jwk.import_key(members).thumbprint()


def test_a_thumbprint_is_a_digest_of_required_members_only() -> None:
    members = jwk("P-256")
    text = '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' % (members["x"], members["y"])  # noqa: UP031 - braces
    assert read(members | {"alg": "ES256"}).thumbprint == b64(hashlib.sha256(text.encode()).digest())


def test_keys_are_equal_exactly_if_they_do_the_same_under_the_same_name() -> None:
    assert read(jwk("P-256", kid="a")) == read(jwk("P-256", kid="a"))
    assert read(jwk("P-256", kid="a")) != read(jwk("P-256", kid="b"))
    assert read(jwk("P-256")) != read(jwk("P-256", 1))
    assert read(jwk("RSA")) != read(jwk("RSA", alg="RS256"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
member_names = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e", "k", "d"])


@given(kind=st.sampled_from(KINDS), changes=st.dictionaries(member_names, json_values, max_size=3))
def test_whatever_a_key_holds_it_is_read_or_unusable(kind: str, changes: dict[str, Any]) -> None:
    try:
        key = read(jwk(kind) | changes)
    except UnusableKey:
        return
    assert key.algorithms
    assert key.algorithms <= ALGORITHMS_OF[kind]
