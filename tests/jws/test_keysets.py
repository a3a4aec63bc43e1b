from __future__ import annotations

import json
from typing import Any

import pytest
from support.jose import jwk

from bearerd.errors import IssuerFault
from bearerd.jws import keysets
from bearerd.limits import Limits

LIMITS = Limits()


def read(*entries: Any, limits: Limits = LIMITS, **members: Any) -> keysets.KeySetDocument:
    return keysets.read(json.dumps({"keys": entries} | members).encode(), limits)


def fault(document: Any, limits: Limits = LIMITS) -> str:
    with pytest.raises(IssuerFault) as caught:
        keysets.read(document, limits)
    return caught.value.reason


def test_the_usable_keys_come_in_their_order() -> None:
    found = read(jwk("RSA", kid="a"), jwk("P-256", kid="b"), jwk("Ed25519"))
    assert [key.kid for key in found.keys] == ["a", "b", None]
    assert found.problems == ()


def test_a_mapping_reads_like_its_text() -> None:
    document = {"keys": [jwk("P-256", kid="a"), jwk("oct")]}
    assert keysets.read(document, LIMITS) == keysets.read(json.dumps(document).encode(), LIMITS)


def test_unknown_members_of_the_document_are_ignored() -> None:
    assert read(jwk("P-256"), purpose="anything", next=[1]).keys


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (jwk("oct", kid="bad"), "oct"),
        (jwk("P-256", kid="bad", d="AQAB"), "private"),
        (jwk("RSA", kid="bad", use="enc"), "use"),
        (jwk("RSA-1024", kid="bad"), "1024 bits"),
        (jwk("RSA", kid="bad", alg="RSA-OAEP"), "alg"),
        ({"kty": "AKP", "kid": "bad"}, "kty"),
    ],
)
def test_an_unusable_key_is_dropped_alone_and_named(entry: dict[str, Any], why: str) -> None:
    found = read(jwk("P-256", kid="good"), entry)
    assert [key.kid for key in found.keys] == ["good"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("key 2 (kid 'bad'): ")
    assert why in found.problems[0]


@pytest.mark.parametrize("entry", [None, 7, "key", [jwk("RSA")]])
def test_an_entry_that_is_no_object_is_dropped_alone(entry: object) -> None:
    assert read(entry, jwk("P-256")).problems == ("key 1: not an object",)


def test_problems_never_quote_a_secret() -> None:
    secret = jwk("oct", kid="s")
    private = jwk("P-256", kid="p", d="c2VjcmV0IHNlY3JldCBzZWNyZXQ")
    text = " ".join(read(jwk("RSA"), secret, private).problems)
    assert secret["k"] not in text
    assert private["d"] not in text


def test_a_long_kid_is_cut_short_in_problems() -> None:
    assert len(read(jwk("RSA"), jwk("oct", kid="k" * 5000)).problems[0]) < 200


def test_keys_with_one_kid_and_kty_are_all_dropped() -> None:
    found = read(jwk("P-256", kid="a"), jwk("P-384", kid="a"), jwk("P-256", 1, kid="a"), jwk("RSA", kid="b"))
    assert [key.kid for key in found.keys] == ["b"]
    assert len(found.problems) == 3
    assert all("same kid" in problem for problem in found.problems)


def test_the_same_key_twice_under_one_kid_is_dropped_too() -> None:
    assert fault(json.dumps({"keys": [jwk("RSA", kid="a")] * 2}).encode()) == "no_usable_key"


def test_one_kid_with_two_kty_is_two_keys() -> None:
    assert len(read(jwk("P-256", kid="a"), jwk("RSA", kid="a")).keys) == 2


def test_keys_without_a_kid_are_no_doubles() -> None:
    assert len(read(jwk("P-256"), jwk("P-256", 1)).keys) == 2


def test_a_key_for_another_use_is_no_double_of_one_for_signatures() -> None:
    found = read(jwk("RSA", kid="a", use="sig"), jwk("RSA", 1, kid="a", use="enc"))
    assert [key.kid for key in found.keys] == ["a"]


@pytest.mark.parametrize("entries", [[], [jwk("oct")], [None], [jwk("P-256", d="AQ")]])
def test_a_set_without_a_usable_key_is_a_fault(entries: list[Any]) -> None:
    assert fault(json.dumps({"keys": entries}).encode()) == "no_usable_key"


@pytest.mark.parametrize("text", [b"{}", b'{"keys":null}', b'{"keys":{}}', b'{"keys":"x"}', b'{"Keys":[]}'])
def test_a_document_without_a_list_of_keys_is_a_fault(text: bytes) -> None:
    assert fault(text) == "bad_document"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b'{"keys":[}',
        b'{"keys":[]} x',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[],"k\\u0065ys":[]}',
        b'{"keys":[{"kty":"RSA","kty":"oct"}]}',
        b'\xef\xbb\xbf{"keys":[]}',
        b'{"keys":"\xff"}',
        b'{"keys":[NaN]}',
        b'{"keys":[1e400]}',
        b'{"keys":' + b"[" * 1000 + b"]" * 1000 + b"}",
    ],
)
def test_a_document_that_is_not_strict_json_is_a_fault(text: bytes) -> None:
    assert fault(text) == "bad_json"


@pytest.mark.parametrize("mapping", [{"keys": [object()]}, {"keys": "\ud800"}, {1: 2}])
def test_a_mapping_that_is_no_json_is_a_fault(mapping: Any) -> None:
    assert fault(mapping) == "bad_json"


def test_a_document_beyond_the_byte_limit_is_a_fault() -> None:
    small = Limits(max_key_set_bytes=1024)
    assert fault(json.dumps({"keys": [jwk("RSA"), jwk("RSA", 1), "x" * 400]}).encode(), small) == "too_large"


def test_more_keys_than_the_limit_is_a_fault() -> None:
    few = Limits(max_keys=2)
    assert len(read(*[jwk("P-256", n) for n in range(2)], limits=few).keys) == 2
    assert fault({"keys": [jwk("P-256", n) for n in range(3)]}, few) == "bad_document"


def test_a_document_of_endless_members_is_a_fault() -> None:
    many = {f"m{number}": 0 for number in range(20_000)}
    large = Limits(max_key_set_bytes=1 << 20)
    assert fault(json.dumps(many | {"keys": [jwk("RSA")]}).encode(), large) == "bad_json"


def test_of_a_thousand_keys_it_is_said_that_they_are_too_many() -> None:
    """Not that their JSON is bad, which would send whoever reads it to the issuer instead of to ``max_keys``."""
    entries = [jwk("P-256", kid=str(number), use="sig", alg="ES256") for number in range(1000)]
    with pytest.raises(IssuerFault, match="1000 keys, more than max_keys = 100") as caught:
        read(*entries)
    assert caught.value.reason == "bad_document"


def test_a_full_set_of_rich_keys_is_read() -> None:
    """As many keys as allowed, each with what Entra's have (x5c among it)."""
    rich = {"use": "sig", "x5t": "t", "x5c": ["A" * 64], "cloud_instance_name": "c", "issuer": "i", "alg": "RS256"}
    entries = [jwk("RSA", kid=str(number), **rich) for number in range(LIMITS.max_keys)]
    assert len(keysets.read({"keys": entries}, LIMITS).keys) == LIMITS.max_keys
