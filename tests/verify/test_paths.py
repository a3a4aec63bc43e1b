from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native.claims import Terms
from bearerd.verify import paths
from bearerd.verify.verified import Claims


def scopes(claims: dict[str, Any], where: tuple[str, ...]) -> tuple[str, ...]:
    """As an issuer's terms read them."""
    return Terms(frozenset(), False, (), 0.0, 0.0, where, ()).scopes(claims)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("roles", ["top"]),
        ("realm_access.roles", ["nested"]),
        ("https://ns.example/roles", ["namespaced"]),
        ("a.b", "whole name first"),
        ("a.c", "split"),
        ("a.b.c", None),
        ("a", {"b": "split", "c": "split"}),
        ("missing", None),
        ("realm_access.missing", None),
        ("roles.0", None),
        ("", None),
        (".", None),
        ("realm_access.", None),
    ],
)
def test_a_path_is_a_whole_name_first_and_then_split_at_dots(path: str, value: object) -> None:
    claims = {
        "roles": ["top"],
        "realm_access": {"roles": ["nested"]},
        "https://ns.example/roles": ["namespaced"],
        "a.b": "whole name first",
        "a": {"b": "split", "c": "split"},
    }
    assert paths.at(claims, path) == paths.at(Claims.of(claims), path) == value


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"scope": "read write"}, ("read", "write")),
        ({"scope": "  read   write "}, ("read", "write")),
        ({"scope": ["read", "write"]}, ("read", "write")),
        ({"scope": ["read all"]}, ("read all",)),
        ({"scope": "read", "scp": ["write", "read"]}, ("read", "write")),
        ({"scope": ""}, ()),
        ({"scope": [""]}, ()),
        ({"scope": "a\tb\nc"}, ("a\tb\nc",)),
        ({}, ()),
    ],
)
def test_scopes_of_strings_and_lists_are_united_in_order(claims: dict[str, Any], words: tuple[str, ...]) -> None:
    assert scopes(claims, ("scope", "scp")) == words


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"roles": "Domain Admins"}, ("Domain Admins",)),
        ({"roles": "not admin"}, ("not admin",)),
        ({"roles": " admin "}, (" admin ",)),
        ({"roles": "admin,ops"}, ("admin,ops",)),
        ({"roles": ["Domain Admins", "ops"]}, ("Domain Admins", "ops")),
        ({"roles": "ops", "realm_access": {"roles": ["admin", "ops"]}}, ("ops", "admin")),
        ({"roles": ""}, ()),
        ({}, ()),
    ],
)
def test_a_string_is_one_role_whatever_it_holds(claims: dict[str, Any], roles: tuple[str, ...]) -> None:
    assert paths.roles(claims, ("roles", "realm_access.roles")) == roles


@pytest.mark.parametrize("value", [None, 7, True, {"admin": {"org": "x"}}, [7, None, ["admin"]]])
def test_any_other_shape_grants_nothing(value: object) -> None:
    for read in (scopes, paths.roles):
        assert read({"roles": value}, ("roles",)) == ()


def test_of_a_mixed_list_the_strings_count() -> None:
    for read in (scopes, paths.roles):
        assert read({"roles": ["admin", 7, {"x": 1}]}, ("roles",)) == ("admin",)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc."), inner, max_size=3),
    max_leaves=8,
)


@given(claims=st.dictionaries(st.sampled_from(["a", "b", "a.b", "."]), json_values), path=st.text("ab.", max_size=5))
def test_no_claims_and_no_path_make_it_fail_or_repeat_a_name(claims: dict[str, Any], path: str) -> None:
    for read in (scopes, paths.roles):
        names = read(claims, (path, "a"))
        assert len(set(names)) == len(names)
        assert all(isinstance(name, str) and name for name in names)
