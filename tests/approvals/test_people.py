"""Who may approve, and when somebody is known to be another: what cannot be told apart is the same."""

from __future__ import annotations

from typing import Any

import pytest
from support.approving import ISS, LOGIN, PAGE, call

from bearerd.approvals.people import another, marks, may_approve
from bearerd.config import model


def settings(**changes: Any) -> model.Approvals:
    return model.Approvals.model_validate(PAGE | changes)


@pytest.mark.parametrize(
    ("approvers", "claims", "expected"),
    [
        ({"roles": ["a", "b"]}, {"roles": ["b"]}, True),
        ({"roles": ["a"]}, {"groups": ["a"]}, True),
        ({"roles": ["a"]}, {"realm_access": {"roles": ["a"]}}, True),
        ({"roles": ["a"]}, {"roles": "a"}, True),
        ({"roles": ["a"]}, {"roles": "a b"}, False),
        ({"roles": ["a"]}, {"scope": "a"}, False),
        ({"roles": ["a"]}, {}, False),
        ({"claims": {"org": "acme"}}, {"org": "acme"}, True),
        ({"claims": {"org": "acme"}}, {"org": ["other", "acme"]}, True),
        ({"claims": {"org": "acme", "mfa": True}}, {"org": "acme"}, False),
        ({"claims": {"mfa": True}}, {"mfa": 1}, False),
        ({"roles": ["a"], "claims": {"org": "acme"}}, {"roles": ["a"]}, False),
        ({"roles": ["a"], "claims": {"org": "acme"}}, {"org": "acme"}, False),
        ({}, {"roles": ["a"]}, False),
        (None, {"roles": ["a"]}, False),
    ],
)
def test_an_approver_has_one_of_the_roles_and_all_of_the_claims(approvers: Any, claims: Any, expected: bool) -> None:
    assert may_approve(settings(approvers=approvers), claims) is expected


@pytest.mark.parametrize(
    ("names", "issuer", "own", "asker", "pairwise", "expected"),
    [
        (["sub"], ISS, {"sub": "bob"}, {"sub": "alice"}, False, True),
        (["sub"], ISS, {"sub": "bob"}, {}, False, True),  # the token's subject is known in any case
        (["sub"], ISS, {"sub": "alice"}, {"sub": "alice"}, False, False),
        (["sub"], ISS, {"sub": "alice"}, {}, False, False),
        (["sub"], ISS, {}, {}, False, False),
        (["sub"], LOGIN, {"sub": "bob"}, {"sub": "alice"}, False, False),  # another issuer's names say nothing
        (["sub"], ISS, {"sub": "x7"}, {"sub": "alice"}, True, False),  # nor do those made for each client
        (["email"], LOGIN, {"email": "bob@x"}, {"email": "alice@x"}, False, True),
        (["email"], LOGIN, {"email": "ALICE@x "}, {"email": "alice@X"}, False, False),
        (["email"], LOGIN, {"email": "bob@x"}, {}, False, False),
        (["email"], LOGIN, {}, {"email": "alice@x"}, False, False),
        (["email", "sub"], ISS, {"email": "bob@x", "sub": "alice"}, {"email": "alice@x"}, False, False),
        (["email", "sub"], ISS, {"email": "alice@x", "sub": "bob"}, {"email": "alice@x"}, False, False),
        (["email", "sub"], ISS, {"sub": "bob"}, {"email": "alice@x"}, False, True),
        (["oid"], ISS, {"oid": "2"}, {"oid": "1"}, True, True),
    ],
)
def test_another_is_who_is_known_to_be(
    names: list[str], issuer: str, own: Any, asker: Any, pairwise: bool, expected: bool
) -> None:
    asked = call(confirm="other", person=asker)
    assert another(settings(same_person_claims=names), asked, issuer, own, pairwise=pairwise) is expected


def test_a_mark_is_a_text_that_is_there() -> None:
    of = settings(same_person_claims=["email", "oid", "none", "list", "a.b"])
    claims = {"email": "", "oid": 7, "list": ["x"], "a": {"b": "c"}, "other": "y"}
    assert marks(of, claims) == {"a.b": "c"}
