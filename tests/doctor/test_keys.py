"""Key sets: kids, algorithms, sizes, and keys that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from support import jose
from support.gate import remedies, told

from bearerd.config.model import Issuer
from bearerd.doctor import keys
from bearerd.doctor.finding import Notebook
from bearerd.issuers import keyset
from bearerd.issuers.keyset import Origin, Validators
from bearerd.limits import Limits


def look(*jwks: dict[str, Any], algorithms: tuple[str, ...] = ("ES256",)) -> Notebook:
    issuer = Issuer(issuer="https://a.test", name="a", algorithms=algorithms)
    document = {"keys": list(jwks)}
    found = keyset.read(document, Origin.INLINE, Validators(None, None, 0.0, 0.0), algorithms, Limits())
    notes = Notebook("issuer a")
    keys.examine(found, issuer, notes)
    return notes


def ec(number: int = 0, **members: Any) -> dict[str, Any]:
    return jose.jwk(jose.KIND["ES256"], number, **members)


def test_keys_with_kids_of_their_own_are_well() -> None:
    notes = look(ec(0, kid="a", alg="ES256"), ec(1, kid="b", alg="ES256"))
    assert [one.severity.value for one in notes.findings] == ["ok", "ok", "ok"]


def test_two_keys_that_a_token_without_kid_could_mean_are_an_error() -> None:
    notes = look(ec(0), ec(1))
    assert told(notes, "kids") == ["error"]
    assert "kid" in remedies(notes, "kids")


def test_a_key_without_kid_beside_others_is_a_warning() -> None:
    assert told(look(ec(0), ec(1, kid="b")), "kids") == ["warning"]
    assert told(look(ec(0)), "kids") == ["note"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"kid": "old", "use": "enc"}, "use is not sig"),
        ({"kid": "leaked", "d": "AA"}, "private"),
    ],
)
def test_a_key_that_is_not_used_is_named_with_the_reason(bad: dict[str, Any], why: str) -> None:
    notes = look(ec(0, kid="a"), ec(1) | bad)
    (named,) = [one for one in notes.findings if one.check == "keys" and one.severity == "warning"]
    assert bad["kid"] in named.found
    assert why in named.found


def test_a_short_rsa_key_is_named() -> None:
    short = jose.jwk("RSA-1024", 0, kid="short")
    notes = look(ec(0, kid="a"), short, algorithms=("RS256", "ES256"))
    assert any("short" in one.found and "bits" in one.found for one in notes.findings if one.severity == "warning")


def test_algorithms_and_keys_that_do_not_meet_are_noted() -> None:
    notes = look(ec(0, kid="a"), jose.jwk("RSA", 0, kid="r"), algorithms=("ES256", "EdDSA"))
    assert told(notes, "algorithms") == ["note", "note"]
    assert "EdDSA" in notes.findings[-2].found
    assert "'r'" in notes.findings[-1].found
