from __future__ import annotations

import pytest

from bearerd.verify import hints

CONFIGURED = (
    "https://auth.example/realms/main",
    "https://tenant.auth0.example/",
    "https://login.example/T/v2.0",
    "urn:issuer",
)
NEAR = hints.NearIssuers(CONFIGURED)


@pytest.mark.parametrize(
    ("iss", "told"),
    [
        ("https://auth.example/realms/main/", "'https://auth.example/realms/main' is configured: they differ by the final slash"),
        ("https://tenant.auth0.example", "'https://tenant.auth0.example/' is configured: they differ by the final slash"),
        ("https://Login.example/t/v2.0", "'https://login.example/T/v2.0' is configured: they differ by upper and lower case"),
        ("http://login.example/t/v2.0/", "'https://login.example/T/v2.0' is configured: they differ by scheme, case or final slash"),
        ("https://auth.example/realms/test", "'https://auth.example/realms/main' is configured: the same host, another realm, tenant or path"),
        ("URN:issuer", "'urn:issuer' is configured: they differ by upper and lower case"),
    ],
)  # fmt: skip
def test_a_near_miss_names_the_issuer_that_is_configured(iss: str, told: str) -> None:
    assert NEAR.to(iss) == (told,)


@pytest.mark.parametrize(
    "iss", ["", "/", "https://", "https://other.example/", "https://auth.example.evil/", "x" * 9000]
)
def test_a_stranger_gets_no_hint(iss: str) -> None:
    assert NEAR.to(iss) == ()


def test_no_more_than_a_few_issuers_are_named() -> None:
    many = hints.NearIssuers(f"https://auth.example/realms/{number}" for number in range(500))
    assert len(many.to("https://auth.example/realms/other")) == 3


def test_what_expired_long_ago_is_told_in_days() -> None:
    assert hints.late(59, 30) == ("expired 59 s ago: perhaps clock skew (leeway is 30 s)",)
    assert hints.late(86_400.0 * 20_000, 30) == ("expired 20000 days ago",)


def test_a_quote_is_cut_short_and_escaped() -> None:
    assert len(hints.quoted("x" * 10_000)) < 200
    assert "\n" not in hints.quoted("a\nb")


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "null"), (True, "a boolean"), (7, "a number"), (7.5, "a number"), ([], "a list"), ({}, "an object")],
)
def test_what_is_no_string_is_quoted_by_its_type(value: object, said: str) -> None:
    assert hints.quoted(value) == said


def test_scopes_under_another_claim_are_pointed_out() -> None:
    said = {"scp": "read", "scope": "write"}
    assert hints.scopes_elsewhere(said, ("scope",)) == ("the token has scp, which scope_claims does not name",)
    assert hints.scopes_elsewhere(said, ("scope", "scp")) == ()
