"""Scopes that imply others."""

from __future__ import annotations

from support.policies import asked, decided, resource, verified

from bearerd.policy import scopes

IMPLIES = {"admin": ["write", "audit"], "write": ["read"]}


def test_who_has_one_has_what_it_implies_through_any_number_of_steps() -> None:
    above = scopes.implied_by(IMPLIES)
    assert scopes.missing(["read", "write", "audit"], ("admin",), above) == []
    assert scopes.missing(["read", "audit"], ("write",), above) == ["audit"]
    assert scopes.missing(["admin"], ("read", "write", "audit"), above) == ["admin"]


def test_a_challenge_names_what_is_asked_for_and_not_what_implies_it() -> None:
    made = resource({"scopes": ["read"]}, scopes=["base"], scope_implies={"admin": ["read", "base"]})
    assert decided(made, asked(), verified(scopes=("admin",))).allowed
    decision = decided(made, asked(), verified(scopes=("other",)))
    assert decision.challenge is not None
    assert decision.challenge.scope == "base read"
