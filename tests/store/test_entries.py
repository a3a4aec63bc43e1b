from __future__ import annotations

import hashlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.store import entries
from bearerd.store.entries import Kind

ISSUER = "https://auth.example.com"
DIGEST = hashlib.sha256(b"header.payload").digest()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_key_is_the_digest_that_the_contract_spells_out() -> None:
    text = b"bearerd-rev-1\x00\x02\x00\x00\x00\x18https://auth.example.com\x00\x00\x00\x05alice"
    assert entries.key(Kind.SUBJECT, ISSUER, "alice") == hashlib.sha256(text).digest()[:16]


def test_the_kind_bytes_never_change() -> None:
    assert {kind.name.lower(): int(kind) for kind in Kind} == {
        "token": 1,
        "subject": 2,
        "session": 3,
        "client": 4,
        "key": 5,
        "issuer": 6,
    }


@given(st.sampled_from(Kind), TEXT, TEXT)
def test_every_key_is_what_the_contract_spells_out(kind: Kind, issuer: str, value: str) -> None:
    who, what = issuer.encode(), value.encode()
    text = b"bearerd-rev-1\0" + bytes([kind]) + struct.pack(">I", len(who)) + who + struct.pack(">I", len(what)) + what
    assert entries.key(kind, issuer, value) == hashlib.sha256(text).digest()[:16]


@given(TEXT, st.tuples(*[st.none() | TEXT] * 5))
def test_a_token_is_probed_under_the_key_of_each_claim_that_it_has(issuer: str, said: tuple[str | None, ...]) -> None:
    jti, subject, session, client, thumbprint = said
    expected = [(Kind.TOKEN, jti), (Kind.TOKEN, DIGEST.hex()), (Kind.SUBJECT, subject), (Kind.SESSION, session)]
    expected += [(Kind.CLIENT, client), (Kind.KEY, thumbprint), (Kind.ISSUER, "")]
    keys = [entries.key(kind, issuer, value) for kind, value in expected if value is not None]
    assert entries.probes(issuer, jti, DIGEST, subject, session, client, thumbprint) == b"".join(keys)


def test_keys_that_are_remembered_are_those_of_the_same_texts() -> None:
    """Of clients, signing keys and issuers the last few are kept: more of them, near each other, than there are places."""
    drawn = random.Random(7)
    texts = ["", "a", "b", "ab", "é", "a" * 600, *(f"client-{number}" for number in range(200))]
    for _ in range(20_000):
        issuer, client, thumbprint = drawn.choice(texts[:6]), drawn.choice(texts), drawn.choice(texts)
        found = entries.probes(issuer, None, DIGEST, None, None, client, thumbprint)
        expected = (Kind.CLIENT, client), (Kind.KEY, thumbprint), (Kind.ISSUER, "")
        assert found[16:] == b"".join(entries.key(kind, issuer, value) for kind, value in expected)


def test_a_text_without_utf_8_form_is_an_error_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="surrogates"):
            entries.probes(ISSUER, None, DIGEST, None, None, "\ud800", None)


@given(st.tuples(st.sampled_from(Kind), TEXT, TEXT), st.tuples(st.sampled_from(Kind), TEXT, TEXT))
def test_different_things_have_different_keys(one: tuple[Kind, str, str], other: tuple[Kind, str, str]) -> None:
    assert (entries.key(*one) == entries.key(*other)) == (one == other)


def test_moving_a_character_from_issuer_to_value_gives_another_key() -> None:
    assert entries.key(Kind.SUBJECT, "ab", "c") != entries.key(Kind.SUBJECT, "a", "bc")


def test_lone_surrogates_are_an_error_and_not_a_key() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        entries.key(Kind.TOKEN, ISSUER, "\ud800")
    with pytest.raises(ValueError, match="surrogates"):
        entries.probes(ISSUER, "1", DIGEST, "\ud800", None, None, None)


@pytest.mark.parametrize("name", ["", "Token", "TOKEN", "jti", "tokens"])
def test_a_kind_is_named_in_lower_case_and_exactly(name: str) -> None:
    with pytest.raises(ValueError, match="no such kind"):
        Kind.named(name)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_found_by_its_name(kind: Kind) -> None:
    assert Kind.named(kind.name.lower()) is kind


def test_a_full_token_is_probed_under_seven_keys_in_the_documented_order() -> None:
    found = entries.probes(ISSUER, "id-1", DIGEST, "alice", "s-1", "app", "thumb")
    assert [found[i : i + 16] for i in range(0, len(found), 16)] == [
        entries.key(Kind.TOKEN, ISSUER, "id-1"),
        entries.key(Kind.TOKEN, ISSUER, DIGEST.hex()),
        entries.key(Kind.SUBJECT, ISSUER, "alice"),
        entries.key(Kind.SESSION, ISSUER, "s-1"),
        entries.key(Kind.CLIENT, ISSUER, "app"),
        entries.key(Kind.KEY, ISSUER, "thumb"),
        entries.key(Kind.ISSUER, ISSUER, ""),
    ]


def test_a_bare_token_is_probed_under_its_digest_and_its_issuer() -> None:
    found = entries.probes(ISSUER, None, DIGEST, None, None, None, None)
    assert found == entries.key(Kind.TOKEN, ISSUER, DIGEST.hex()) + entries.key(Kind.ISSUER, ISSUER, "")


@pytest.mark.parametrize(("jti", "value"), [("id-1", "id-1"), (None, DIGEST.hex()), ("", DIGEST.hex())])
def test_a_token_is_revoked_by_its_jti_or_else_its_digest(jti: str | None, value: str) -> None:
    assert entries.token_value(jti, DIGEST) == value
    assert entries.key(Kind.TOKEN, ISSUER, value) in entries.probes(ISSUER, jti, DIGEST, None, None, None, None)


def test_what_is_not_a_sha256_is_no_digest() -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        entries.digest_value(b"short")
    with pytest.raises(ValueError, match="not a SHA-256"):
        entries.probes(ISSUER, None, b"short", None, None, None, None)
