"""Keys that sign: one algorithm each, under their thumbprint, and never one that a JWK misstates."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwk as joserfc_jwk
from support import jose

from bearerd import jws
from bearerd.errors import UnusableKey
from bearerd.jws import signing

KINDS = [("RSA", "RS256"), ("P-256", "ES256"), ("Ed25519", "EdDSA")]

_KTY = {"RSA": "RSA", "P-2": "EC", "P-3": "EC", "Ed2": "OKP", "Ed4": "OKP"}
_PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_jwk(kind: str, number: int = 0, **members: Any) -> dict[str, Any]:
    """As another program writes it."""
    made = joserfc_jwk.import_key(jose.private(kind, number).private_bytes(*_PEM), _KTY[kind[:3]])
    return made.as_dict(private=True) | members


@pytest.mark.parametrize(("kind", "alg"), KINDS)
def test_what_a_key_signs_verifies_with_what_it_publishes(kind: str, alg: str) -> None:
    key = signing.named(jose.private(kind))
    token = signing.compact(key, signing.header(key, "some+jwt"), b'{"sub":"alice"}')
    assert jws.verify(token, key.jwk(), [alg]).payload == b'{"sub":"alice"}'
    assert jwt.decode(token, jwt.PyJWK(key.jwk()).key, algorithms=[alg]) == {"sub": "alice"}
    assert jwt.get_unverified_header(token) == {"alg": alg, "kid": key.kid, "typ": "some+jwt"}


@pytest.mark.parametrize(("kind", "alg"), KINDS)
def test_a_key_is_called_by_the_thumbprint_that_everybody_computes(kind: str, alg: str) -> None:
    key = signing.named(jose.private(kind))
    assert key.kid == joserfc_jwk.import_key(key.jwk()).thumbprint()
    assert signing.described(jose.private(kind).public_key()) == key.jwk()
    assert key.alg == key.jwk()["alg"] == alg


@pytest.mark.parametrize(("kind", "alg"), KINDS)
def test_what_is_published_holds_nothing_private(kind: str, alg: str) -> None:
    private = private_jwk(kind)
    shown = json.dumps(signing.named(signing.from_private_jwk(private)).jwk())
    for name in ("d", "p", "q", "dp", "dq", "qi"):
        assert f'"{name}"' not in shown
        assert name not in private or str(private[name]) not in shown


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
def test_a_private_jwk_is_the_key_that_it_was_made_of(kind: str) -> None:
    read = signing.from_private_jwk(private_jwk(kind, key_ops=["sign"], use="sig"))
    assert signing.named(read).kid == signing.named(jose.private(kind)).kid


def test_an_rsa_jwk_without_its_primes_is_the_same_key() -> None:
    given = {name: value for name, value in private_jwk("RSA").items() if name in ("kty", "n", "e", "d")}
    assert signing.named(signing.from_private_jwk(given)).kid == signing.named(jose.private("RSA")).kid


@pytest.mark.parametrize("kind", ["P-384", "P-521", "Ed448", "RSA-1024"])
def test_a_key_of_another_kind_signs_nothing(kind: str) -> None:
    with pytest.raises(UnusableKey):
        signing.named(jose.private(kind))


def test_a_key_that_is_for_no_jws_signs_nothing() -> None:
    with pytest.raises(UnusableKey, match="neither RSA"):
        signing.algorithm_of(dsa.generate_private_key(2048))


@pytest.mark.parametrize(
    "wrong",
    [
        {"d": jose.b64(b"\x07" * 32)},
        {"d": "!"},
        {"d": jose.b64(b"\0" * 32)},
        {"d": jose.b64(b"\xff" * 32)},
        {"alg": "ES384"},
        {"alg": "RS256"},
        {"use": "enc"},
        {"crv": "P-384"},
        {"kty": "oct"},
        {"x": jose.jwk("P-256", 1)["x"]},
    ],
    ids=[
        "of another",
        "no base64",
        "zero",
        "too large",
        "ES384",
        "RS256",
        "to encrypt",
        "P-384",
        "oct",
        "a point of another",
    ],
)
def test_a_jwk_whose_members_do_not_belong_together_is_no_key(wrong: dict[str, Any]) -> None:
    with pytest.raises(UnusableKey):
        signing.from_private_jwk(private_jwk("P-256") | wrong)


def test_an_rsa_jwk_with_the_exponent_of_another_key_is_no_key() -> None:
    given, other = private_jwk("RSA"), private_jwk("RSA", 1)
    for names in (("d",), ("n",), ("e",)):
        mixed = given | {name: other[name] if name != "e" else "Aw" for name in names}
        with pytest.raises(UnusableKey) as refused:
            signing.from_private_jwk(mixed)
        assert given["d"] not in str(refused.value)


def test_an_rsa_jwk_for_another_padding_is_not_used_with_this_one() -> None:
    with pytest.raises(UnusableKey, match="RS256"):
        signing.from_private_jwk(private_jwk("RSA", alg="PS256"))
