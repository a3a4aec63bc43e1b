"""Resources as compiled."""

from __future__ import annotations

import pytest
from support.policies import AUDIENCE, GENERATION, ISSUER, OTHER_ISSUER, resource

from bearerd.policy.resource import metadata_url

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    ("identifier", "url"),
    [
        ("https://api.example", f"https://api.example{WELL_KNOWN}"),
        ("https://api.example/", f"https://api.example{WELL_KNOWN}"),
        ("https://api.example:8443/v1", f"https://api.example:8443{WELL_KNOWN}/v1"),
        ("https://api.example/v1/", f"https://api.example{WELL_KNOWN}/v1/"),
        ("https://api.example/v1?tenant=a", f"https://api.example{WELL_KNOWN}/v1?tenant=a"),
        ("https://api.example/?tenant=a", f"https://api.example{WELL_KNOWN}?tenant=a"),
        ("https://api.example?tenant=a", f"https://api.example{WELL_KNOWN}?tenant=a"),
        ("http://127.0.0.1:8080/", f"http://127.0.0.1:8080{WELL_KNOWN}"),
        ("api://4f7c", None),
        ("urn:example:api", None),
        (None, None),
    ],
)
def test_metadata_stands_between_host_and_path(identifier: str | None, url: str | None) -> None:
    assert metadata_url(identifier) == url


def test_the_audience_has_the_twin_of_the_identifier() -> None:
    assert resource().audience == {AUDIENCE, AUDIENCE + "/"}


def test_with_audience_set_the_identifier_is_not_added() -> None:
    made = resource(audience=["orders", "stock"])
    assert made.audience == {"orders", "stock"}
    assert made.spoken_audience == AUDIENCE
    assert made.metadata_url is not None


def test_without_identifier_introspection_speaks_of_the_first_audience() -> None:
    made = resource(identifier=None, audience=["orders", "stock"])
    assert (made.identifier, made.spoken_audience, made.metadata_url) == (None, "orders", None)


def test_every_issuer_is_accepted_unless_some_are_named_by_url_or_name() -> None:
    assert dict(resource().issuers) == {ISSUER: 30.0, OTHER_ISSUER: 30.0}
    assert list(resource(issuers=["a"]).issuers) == [ISSUER]
    assert list(resource(issuers=[OTHER_ISSUER]).issuers) == [OTHER_ISSUER]


def test_a_rule_needs_the_resources_scopes_and_its_own_each_once() -> None:
    made = resource({"scopes": ["write", "api"]}, {"path": "/x"}, scopes=["api", "api"])
    assert made.scopes == ("api",)
    assert [rule.scopes for rule in made.rules] == [("api", "write"), ("api",)]


def test_shadow_rules_keep_their_index_and_do_not_constrain() -> None:
    made = resource({"path": "/x", "enforce": "shadow"}, {"scopes": ["a"]})
    assert [rule.index for rule in made.rules] == [0, 1]
    assert [rule.index for rule in made.enforced] == [1]
    assert [rule.index for rule, _ in made.shadows] == [0]
    assert not made.constrained
    assert not made.has_paths


@pytest.mark.parametrize(
    ("rule", "constrained", "has_paths"),
    [
        ({}, False, False),
        ({"methods": ["GET"]}, True, False),
        ({"path": "/x"}, True, True),
        ({"preflight": True}, True, False),
        ({"roles": ["admin"]}, False, False),
    ],
)
def test_a_resource_knows_what_its_rules_depend_on(rule: dict[str, object], constrained: bool, has_paths: bool) -> None:
    made = resource(rule)
    assert (made.constrained, made.has_paths) == (constrained, has_paths)


def test_what_a_resource_is_told_it_keeps() -> None:
    made = resource(gateway=["nginx", "envoy"], staleness="available", enforce="shadow", max_lifetime="1h")
    assert made.gateways == {"nginx", "envoy"}
    assert (made.strict, made.shadow, made.max_lifetime) == (False, True, 3600.0)
    assert made.generation == GENERATION
