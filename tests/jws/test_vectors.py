"""Published vectors (tests/vectors/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bearerd import jws
from bearerd.errors import BadSignature, MalformedToken, UnsupportedAlg, UnusableKey
from bearerd.jws import keys
from bearerd.jws.algorithms import ALGORITHMS

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "jws.json").read_text())
EVERY = frozenset(ALGORITHMS)


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def public(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name != "d"}


@pytest.mark.parametrize("vector", VECTORS["verified"], ids=name_of)
def test_published_token_verifies(vector: dict[str, Any]) -> None:
    found = jws.verify(vector["token"], public(vector["jwk"]), [vector["alg"]])
    assert found.payload == vector["payload"].encode()
    assert found.header["alg"] == vector["alg"]


@pytest.mark.parametrize("vector", VECTORS["verified"], ids=name_of)
def test_published_token_is_refused_for_another_algorithm(vector: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedAlg):
        jws.verify(vector["token"], public(vector["jwk"]), EVERY - {vector["alg"]})


@pytest.mark.parametrize("vector", VECTORS["verified"], ids=name_of)
def test_published_token_is_refused_under_every_other_published_key(vector: dict[str, Any]) -> None:
    for other in VECTORS["verified"]:
        if public(other["jwk"]) != public(vector["jwk"]):
            with pytest.raises((BadSignature, UnsupportedAlg)):
                jws.verify(vector["token"], public(other["jwk"]), EVERY)


@pytest.mark.parametrize("vector", [v for v in VECTORS["verified"] if "d" in v["jwk"]], ids=name_of)
def test_published_key_with_its_private_member_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(UnusableKey, match="private"):
        jws.verify(vector["token"], vector["jwk"], [vector["alg"]])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=name_of)
def test_published_token_that_must_be_refused_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises((MalformedToken, UnsupportedAlg)):
        jws.verify(vector["token"], vector["jwk"], EVERY)


@pytest.mark.parametrize("vector", VECTORS["thumbprints"], ids=name_of)
def test_published_thumbprint_is_reproduced(vector: dict[str, Any]) -> None:
    assert keys.from_jwk(vector["jwk"]).thumbprint == vector["thumbprint"]
