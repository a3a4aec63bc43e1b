"""native/claims: what is wrong with claims, held to a second reading of the contract that shares nothing with the first."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native import claims as native
from bearerd._native.claims import Fault, Terms

TIME, LEEWAY, LONGEST = 1_700_000_000.5, 30.0, 3600.0
ANY, STRICT = frozenset({"jwt", "at+jwt", "application/at+jwt"}), frozenset({"at+jwt", "application/at+jwt"})
NAMES = (
    "typ",
    "sub",
    "jti",
    "sid",
    "client_id",
    "azp",
    "appid",
    "cid",
    "aud",
    "exp",
    "iat",
    "nbf",
    "at_hash",
    "c_hash",
)
odd = st.sampled_from(
    [None, True, 7, -1.5, math.nan, math.inf, "", "JWT", "at+JWT", "Logout", "a", [], ["a"], ["a", 1], {}]
)
near = st.integers(-4000, 4000).map(lambda by: 1_700_000_000 + by) | st.floats(-40, 40).map(lambda by: TIME + by)
said = st.dictionaries(st.sampled_from((*NAMES, "events", "iss")), odd, max_size=4)
times = st.fixed_dictionaries({}, optional={"exp": near, "iat": near, "nbf": near})


def terms(
    types: frozenset[str] = ANY,
    typed: bool = False,
    required: tuple[str, ...] = ("exp", "iat"),
    leeway: float = LEEWAY,
    longest: float = LONGEST,
) -> Terms:
    return Terms(types, typed, required, leeway, longest, ("scope",), ("roles",))


def shape(name: str, value: Any) -> Fault | None:
    """What is wrong with one claim by itself."""
    if name in ("exp", "iat", "nbf"):
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if number else Fault.NUMBER
    if name in ("sub", "jti", "sid", "client_id", "azp", "appid", "cid"):
        return None if isinstance(value, str) else Fault.STRING
    if name == "aud":
        strings = value if isinstance(value, list) else [value]
        return None if all(isinstance(one, str) for one in strings) else Fault.AUDIENCE
    return None


def faults(claims: dict[str, Any], header: dict[str, Any], required: tuple[str, ...], *, strict: bool) -> set[Fault]:
    """Everything that is wrong; what follows from well-formed times only where they are."""
    allowed = STRICT if strict else ANY
    found = {shape(name, value) for name, value in claims.items()} - {None}
    found |= {Fault.MISSING for name in required if name not in claims}
    if strict and "typ" not in header:
        found.add(Fault.UNTYPED)
    if "typ" in header and (not isinstance(header["typ"], str) or header["typ"].lower() not in allowed):
        found.add(Fault.TYPE)
    kind = claims.get("typ", "Bearer")
    if not isinstance(kind, str) or kind.lower() in ("id", "refresh", "offline", "logout"):
        found.add(Fault.KIND)
    found |= {Fault.MARK for name in ("at_hash", "c_hash", "events") if name in claims}
    if found:
        return {fault for fault in found if fault is not None}
    expires, issued = claims["exp"], claims["iat"]
    by_time = {
        Fault.PAST: expires + LEEWAY <= TIME,
        Fault.FUTURE: max(issued, claims.get("nbf", issued)) - LEEWAY > TIME,
        Fault.BACKWARDS: expires < issued,
        Fault.LONG: expires - issued > LONGEST,
    }
    return {fault for fault, holds in by_time.items() if holds}


@given(
    said | times.flatmap(lambda one: said.map(lambda other: other | one)),
    st.fixed_dictionaries({}, optional={"typ": odd}),
    st.sampled_from([("exp", "iat"), ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")]),
    st.booleans(),
)
def test_the_first_fault_is_named_and_none_is_passed_over(
    claims: dict[str, Any], header: dict[str, Any], required: tuple[str, ...], strict: bool
) -> None:
    expected = faults(claims, header, required, strict=strict)
    found = terms(STRICT if strict else ANY, strict, required, LEEWAY, LONGEST).fault(claims, header, TIME)
    if found is None:
        assert not expected
        return
    fault, name = found
    assert fault is min(expected)  # they are numbered in the order in which they are looked for
    assert isinstance(name, str)


@pytest.mark.parametrize("exp", [2**53 + 1, 2**63, 2**64 - 1])
def test_large_integers_are_not_rounded(exp: int) -> None:
    """As doubles both would be one number."""
    found = terms(leeway=0.0, longest=2.0**70).fault({"exp": exp - 1, "iat": exp}, {}, -(2.0**70))
    assert found == (Fault.FUTURE, "iat")
    found = terms(leeway=2.0**71, longest=2.0**70).fault({"exp": exp - 1, "iat": exp}, {}, 0.0)
    assert found == (Fault.BACKWARDS, "exp")


@pytest.mark.parametrize("wrong", [None, [], "text"])
def test_claims_are_a_dictionary(wrong: Any) -> None:
    judge = terms()
    for read in (judge.scopes, judge.roles, native.client, native.audience):
        with pytest.raises(TypeError):
            read(wrong)
    for claims, header in ((wrong, {}), ({}, wrong)):
        with pytest.raises(TypeError):
            judge.fault(claims, header, 0.0)


def test_scopes_and_roles_are_read_where_they_are_configured() -> None:
    judge = Terms(ANY, False, (), 0.0, 0.0, ("scope", "scp"), ("realm_access.roles",))
    claims = {"scope": "a b", "scp": ["b", "c"], "realm_access": {"roles": ["not admin"]}, "roles": ["admin"]}
    assert judge.scopes(claims) == ("a", "b", "c")
    assert judge.roles(claims) == ("not admin",)
