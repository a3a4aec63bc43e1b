"""A key set is a snapshot, and says which one key a token means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import jose

from bearerd.errors import IssuerFault
from bearerd.issuers import keyset
from bearerd.issuers.keyset import KeySet, Miss, Origin, Validators
from bearerd.jws import keys
from bearerd.jws.keys import Key
from bearerd.limits import Limits

LIMITS = Limits()
VALIDATORS = Validators("https://a.test/jwks", None, 1000.0, 1300.0)
ALL = ("RS256", "PS256", "ES256", "EdDSA")


def read(*jwks: dict[str, Any], algorithms: tuple[str, ...] = ALL) -> KeySet:
    return keyset.read(json.dumps({"keys": jwks}).encode(), Origin.NETWORK, VALIDATORS, algorithms, LIMITS)


def kid_of(found: Key | Miss) -> str | None:
    assert isinstance(found, Key)
    return found.kid


def test_a_kid_means_that_key_only() -> None:
    keys = read(jose.jwk("P-256", kid="a"), jose.jwk("P-256", 1, kid="b"), jose.jwk("P-256", 2))
    assert kid_of(keys.find("ES256", "b")) == "b"
    assert keys.find("ES256", "c") is Miss.UNKNOWN_KID
    assert keys.find("ES256", "") is Miss.UNKNOWN_KID


def test_the_key_of_a_kid_is_for_its_own_algorithms() -> None:
    keys = read(jose.jwk("P-256", kid="a"), jose.jwk("RSA", kid="r", alg="PS256"))
    assert keys.find("RS256", "a") is Miss.OTHER_ALGORITHM
    assert keys.find("RS256", "r") is Miss.OTHER_ALGORITHM
    assert kid_of(keys.find("PS256", "r")) == "r"


def test_one_kid_with_two_key_types_is_two_keys() -> None:
    keys = read(jose.jwk("P-256", kid="a"), jose.jwk("RSA", kid="a"))
    for alg in ("ES256", "RS256"):
        found = keys.find(alg, "a")
        assert isinstance(found, Key)
        assert alg in found.algorithms


def test_two_keys_with_one_kid_and_type_are_both_dropped_and_named() -> None:
    keys = read(jose.jwk("P-256", kid="a"), jose.jwk("P-256", 1, kid="a"), jose.jwk("RSA", kid="r"))
    assert keys.find("ES256", "a") is Miss.UNKNOWN_KID
    assert len(keys.problems) == 2


def test_without_a_kid_only_a_single_fitting_key_is_meant() -> None:
    one = read(jose.jwk("P-256", kid="a"), jose.jwk("RSA", kid="r"))
    assert kid_of(one.find("ES256", None)) == "a"
    assert one.find("EdDSA", None) is Miss.NONE_FITS
    two = read(jose.jwk("P-256", kid="a"), jose.jwk("P-256", 1))
    assert two.find("ES256", None) is Miss.SEVERAL_FIT


@pytest.mark.parametrize(
    ("jwks", "reason"),
    [
        ([], "no_usable_key"),
        ([jose.jwk("P-256", kid="a", d=jose.b64(bytes(32)))], "no_usable_key"),
        ([jose.jwk("oct", kid="a")], "no_usable_key"),
        ([jose.jwk("RSA", kid="a", use="enc")], "no_usable_key"),
        ([jose.jwk("P-256", kid="a"), jose.jwk("P-256", 1, kid="a")], "no_usable_key"),
        ([jose.jwk("P-384", kid="a")], "no_usable_key"),
        ([jose.jwk("P-256", number, kid=f"{number}") for number in range(101)], "bad_document"),
    ],
    ids=["empty", "private", "secret", "encryption", "double", "other algorithm", "too many"],
)
def test_a_set_without_a_usable_key_is_a_fault(jwks: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(IssuerFault) as caught:
        read(*jwks)
    assert caught.value.reason == reason


def test_a_private_key_is_dropped_and_the_others_stay() -> None:
    keys = read(jose.jwk("P-256", kid="a", d=jose.b64(bytes(32))), jose.jwk("RSA", kid="r"))
    assert [key.kid for key in keys.keys] == ["r"]
    assert "private" in keys.problems[0]


@pytest.mark.parametrize(
    "leaked",
    [jose.jwk("P-256", kid="a", d="c2VjcmV0"), {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "what", "dp": "c2VjcmV0"}],
)
def test_what_is_kept_of_a_set_holds_no_private_key(leaked: dict[str, Any]) -> None:
    found = read(jose.jwk("RSA", kid="r"), leaked, {"kty": "unusable"})
    assert b"c2VjcmV0" not in found.document
    assert json.loads(found.document)["keys"] == [jose.jwk("RSA", kid="r"), {"kty": "unusable"}]
    again = keyset.read(found.document, Origin.DISK, VALIDATORS, ALL, LIMITS)
    assert (again.hash, again.keys) == (found.hash, found.keys)


def test_a_set_without_private_keys_is_kept_to_the_byte() -> None:
    document = b' {"keys" : [' + json.dumps(jose.jwk("RSA")).encode() + b',{"kty":"unusable"},7]}'
    assert keyset.read(document, Origin.NETWORK, VALIDATORS, ALL, LIMITS).document == document


def test_the_hash_tells_usable_keys_apart_and_nothing_else() -> None:
    one, other = jose.jwk("P-256", kid="a"), jose.jwk("RSA", kid="r")
    assert read(one, other).hash == read(other, one | {"x-note": 1}, {"kty": "unknown"}).hash
    hashes = [
        read(one).hash,
        read(one, other).hash,
        read(one | {"kid": "b"}).hash,
        read(jose.jwk("P-256", 1, kid="a")).hash,
        read(other).hash,
        read(other | {"alg": "PS256"}).hash,
    ]
    assert len(set(hashes)) == len(hashes)


def test_a_secret_serves_whatever_kid_its_issuer_writes_and_its_hash_tells_nothing() -> None:
    secret = keyset.of_secret(keys.from_secret(bytes(32)), VALIDATORS)
    for kid in (None, "a"):
        assert isinstance(secret.find("HS256", kid), Key)
        assert not isinstance(secret.find("RS256", kid), Key)
    key = keys.from_secret(bytes(32))
    assert secret.document == b""
    assert secret.hash not in key.thumbprint
    assert key.thumbprint not in repr(secret.hash)
    assert secret.hash == keyset.of_secret(key, VALIDATORS).hash
    assert secret.hash != keyset.of_secret(keys.from_secret(bytes(33)), VALIDATORS).hash


def test_a_confirmed_set_has_the_same_keys_and_later_times() -> None:
    keys = read(jose.jwk("P-256", kid="a"))
    later = Validators(VALIDATORS.jwks_uri, '"v"', 2000.0, 2300.0)
    renewed = keys.renewed(later)
    assert (renewed.keys, renewed.hash, renewed.validators) == (keys.keys, keys.hash, later)
    assert keys.validators is VALIDATORS


@pytest.mark.parametrize(
    ("max_age", "refresh", "seconds"),
    [(None, 300, 300), (60, 300, 60), (3600, 300, 300), (0, 300, 10), (0, 5, 5), (60, 5, 5), (10, 300, 10)],
)
def test_cache_control_counts_between_ten_seconds_and_key_set_refresh(
    max_age: float | None, refresh: float, seconds: float
) -> None:
    assert keyset.lifetime(max_age, refresh) == seconds


@given(st.one_of(st.none(), st.floats(0, 1e9)), st.floats(0.1, 1e6))
def test_a_lifetime_is_never_longer_than_key_set_refresh(max_age: float | None, refresh: float) -> None:
    assert 0 < keyset.lifetime(max_age, refresh) <= refresh
