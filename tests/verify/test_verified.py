from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.store import entries
from bearerd.verify.verified import Claims, Verified

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
times = st.integers(0, 2**40) | st.floats(0, 2**40)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
verified = st.builds(
    Verified,
    issuer=text,
    subject=st.none() | text,
    client=st.none() | text,
    session=st.none() | text,
    scopes=st.lists(text).map(tuple),
    roles=st.lists(text).map(tuple),
    audience=st.lists(text).map(tuple),
    issued_at=times,
    expires_at=times,
    token_id=st.binary(min_size=32, max_size=32).map(bytes.hex),
    thumbprint=text,
    alg=text,
    kid=st.none() | text,
    confirmed=st.booleans(),
    claims=st.dictionaries(text.filter(lambda name: name != "jti"), json_values, max_size=5).map(Claims.of),
    key_generation=st.integers(0, 2**32),
)


@given(verified)
def test_a_record_reads_back_as_what_it_was(one: Verified) -> None:
    assert Verified.decode(one.encode(), one.key_generation) == one


@given(st.dictionaries(text, json_values, max_size=5))
def test_claims_are_what_the_payload_says(said: dict[str, Any]) -> None:
    for claims in (Claims.of(said), Claims(orjson.dumps(said))):
        assert claims == said == dict(claims)
        assert (len(claims), repr(claims)) == (len(said), repr(said))
        assert all(name in claims and claims.get(name) == value for name, value in said.items())


def test_who_changes_claims_that_were_made_apart_changes_nobody_elses() -> None:
    claims = Claims.of({"realm": {"roles": ["reader"]}})
    claims.apart()["realm"]["roles"].append("admin")
    assert claims == claims.apart() == {"realm": {"roles": ["reader"]}}


def test_a_known_tokens_claims_are_not_parsed_before_somebody_asks() -> None:
    claims = Claims(b"no JSON")
    with pytest.raises(orjson.JSONDecodeError):
        claims.get("sub")


@given(verified)
def test_a_verified_token_cannot_be_changed(one: Verified) -> None:
    for name in one._fields:
        with pytest.raises(AttributeError):
            setattr(one, name, getattr(one, name))
    with pytest.raises(TypeError):
        one.claims["sub"] = "mallory"  # type: ignore[index]


@given(verified, text)
def test_probes_and_what_they_are_about_go_in_step(one: Verified, jti: str) -> None:
    for token in (one, one._replace(claims=Claims.of({"jti": jti}))):
        values = {
            entries.Kind.TOKEN: {token.jti, token.token_id},
            entries.Kind.SUBJECT: {token.subject},
            entries.Kind.SESSION: {token.session},
            entries.Kind.CLIENT: {token.client},
            entries.Kind.KEY: {token.thumbprint},
            entries.Kind.ISSUER: {""},
        }
        probes = token.probes()
        keys = [probes[at : at + entries.KEY_SIZE] for at in range(0, len(probes), entries.KEY_SIZE)]
        assert len(keys) == len(token.probed()) <= 16
        for key, kind in zip(keys, token.probed(), strict=True):
            assert key in {entries.key(kind, token.issuer, value) for value in values[kind] if value is not None}


@given(verified)
def test_a_second_is_counted_down(one: Verified) -> None:
    assert one.issued_second <= one.issued_at < one.issued_second + 1
    assert one.lifetime == one.expires_at - one.issued_at


@given(verified, st.integers(0, 9))
def test_another_generation_changes_nothing_else(one: Verified, generation: int) -> None:
    assert Verified.decode(one.encode(), generation) == one._replace(key_generation=generation)
