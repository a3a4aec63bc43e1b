"""Identity headers: no two values become one, and nobody else tells them."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policies import ISSUER, resource, verified

from bearerd.config.model import IDENTITY
from bearerd.policy.identity import Identity, encoded


def sent(source: str, **fields: Any) -> str:
    (_, value), *_ = Identity({"X-Auth-It": source}, ()).headers(verified(**fields))
    return value


def test_all_headers_of_the_list_are_sent_in_its_order() -> None:
    fields = {"scopes": ("read", "write"), "roles": ("admin", "ops")}
    assert Identity(IDENTITY, ()).headers(verified(**fields)) == (
        ("X-Auth-Subject", "alice"),
        ("X-Auth-Issuer", ISSUER),
        ("X-Auth-Client", "app"),
        ("X-Auth-Scopes", "read write"),
        ("X-Auth-Roles", "admin,ops"),
    )


def test_a_header_without_a_value_is_sent_empty() -> None:
    headers = Identity(IDENTITY | {"X-Auth-Mail": "email"}, ()).headers(verified(subject=None, client=None))
    assert dict(headers) == dict.fromkeys((*IDENTITY, "X-Auth-Mail"), "") | {"X-Auth-Issuer": ISSUER}


def test_cleared_names_every_header_with_nothing_in_it() -> None:
    identity = Identity(IDENTITY, ())
    assert identity.cleared == tuple((name, "") for name in IDENTITY)
    assert identity.names == tuple(IDENTITY)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("é", "%C3%A9"),
        ("x\r\nX-Auth-Roles: admin", "x%0D%0AX-Auth-Roles:%20admin"),
        ("\x00\x7f", "%00%7F"),
        ("a,b", "a,b"),
        ("\ud800", "%ED%A0%80"),
        ("", ""),
    ],
)
def test_a_single_value_is_percent_encoded_outside_the_visible_bytes(value: str, expected: str) -> None:
    assert sent("sub", subject=value) == expected


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("groups", ["a,b", "c"], "a%2Cb,c"),
        ("groups", ["a", "b,c"], "a,b%2Cc"),
        ("groups", "a,b", "a%2Cb"),
        ("csv:groups", "a,b", "a%2Cb"),
        ("csv:groups", ["x", 1, True, None, {"k": 1}], 'x,1,true,,{"k":1}'),
        ("csv:groups", None, ""),
        ("json:groups", ["a,b", "é"], '["a,b","%C3%A9"]'),
        ("json:groups", "a b", '"a%20b"'),
        ("json:groups", None, ""),
        ("groups", {"a": [1]}, '{"a":[1]}'),
        ("groups", 7, "7"),
        ("groups", False, "false"),
        ("groups", None, ""),
    ],
)
def test_a_claim_is_sent_in_the_form_that_was_asked_for(source: str, value: Any, expected: str) -> None:
    assert sent(source, claims={"groups": value}) == expected


def test_an_absent_claim_is_empty_in_every_form() -> None:
    assert [sent(form + "nothing.here") for form in ("", "csv:", "json:")] == ["", "", ""]


def test_a_claim_path_is_a_whole_name_first_and_then_split_at_dots() -> None:
    claims = {"https://ns.example/team": "whole", "a": {"b": {"c": "deep"}}, "a.b": "whole"}
    assert sent("https://ns.example/team", claims=claims) == "whole"
    assert sent("a.b.c", claims=claims) == "deep"
    assert sent("a.b", claims=claims) == "whole"


def test_a_scope_with_a_space_and_a_role_with_a_comma_stay_one() -> None:
    assert sent("scopes", scopes=("a b", "c")) == "a%20b c"
    assert sent("roles", roles=("a,b", "c d")) == "a%2Cb,c%20d"


@given(st.text())
def test_encoding_loses_nothing_and_leaves_only_visible_bytes(text: str) -> None:
    value = encoded(text)
    assert all(0x21 <= ord(character) <= 0x7E for character in value)
    assert urllib.parse.unquote(value) == text


@given(st.lists(st.text(min_size=1)), st.lists(st.text(min_size=1)))
def test_two_different_lists_never_become_one_value(one: list[str], other: list[str]) -> None:
    first, second = (sent("csv:groups", claims={"groups": value}) for value in (one, other))
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    "name",
    [
        b"X-Auth-Subject",
        b"x-auth-subject",
        b"X_Auth_Subject",
        b"X-AUTH_SUBJECT",
        b"x-auth-anything",
        b"X_AUTH_",
        b"X.Auth.Subject",
        *(b"X%cAuth%cSubject" % (odd, odd) for odd in b"!#$%&'*+^`|~"),
        b"x~team",
        b"X-Team",
        b"x_team",
    ],
)
def test_a_client_header_that_reads_as_identity_is_found(name: bytes) -> None:
    identity = Identity(IDENTITY | {"X-Team": "team"}, ())
    assert identity.spoofed([(b"accept", b"*/*"), (name, b"root")]) == (name.decode(),)


@pytest.mark.parametrize("name", [b"X-Authorization", b"Authorization", b"X-Teams", b"XAuth-Subject", b"x-auth"])
def test_other_client_headers_are_not(name: bytes) -> None:
    assert Identity(IDENTITY | {"X-Team": "team"}, ()).spoofed([(name, b"root")]) == ()


def test_a_listed_client_header_passes_in_its_own_spelling_only() -> None:
    identity = Identity(IDENTITY, ("X-Auth-Hint",))
    assert identity.spoofed([(b"x-auth-hint", b"1"), (b"X-AUTH-HINT", b"1")]) == ()
    assert identity.spoofed([(b"x_auth_hint", b"1")]) == ("x_auth_hint",)


def test_a_resource_has_the_default_list() -> None:
    assert resource().identity.names == tuple(IDENTITY)
