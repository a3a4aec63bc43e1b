from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native import claims as native
from bearerd.config.model import Issuer
from bearerd.decision import Now
from bearerd.refusals import Code, Refusal
from bearerd.verify import claims, terms

WALL = 1_700_000_000
NOW = Now(float(WALL), 5000.0)
LEEWAY = 30.0
ISSUER = Issuer(issuer="https://issuer.example", leeway=LEEWAY, max_lifetime=3600.0)
STRICT = ISSUER.model_copy(update={"typ": "required"})
RFC9068 = ISSUER.model_copy(update={"rfc9068": True})
GOOD: dict[str, Any] = {"iss": "https://issuer.example", "iat": WALL - 10, "exp": WALL + 600}
FULL = GOOD | {"aud": "api", "sub": "alice", "client_id": "app", "jti": "1"}


def check(
    changes: dict[str, Any] | None = None, header: dict[str, Any] | None = None, issuer: Issuer = ISSUER
) -> Refusal | None:
    said = {name: value for name, value in (GOOD | (changes or {})).items() if value is not ...}
    return judged(said, header or {}, issuer)


def judged(said: dict[str, Any], header: dict[str, Any], issuer: Issuer) -> Refusal | None:
    judge = terms.of(issuer)
    fault = judge.fault(said, header, NOW.latest)
    return fault and claims.refusal(*fault, said, header, judge, NOW.latest)


def code(*arguments: Any, **keywords: Any) -> Code | None:
    refusal = check(*arguments, **keywords)
    return refusal.code if refusal else None


def test_iss_iat_and_exp_are_enough() -> None:
    assert check() is None


# typ


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"])
def test_the_usual_types_pass_in_any_case(typ: str) -> None:
    assert check(header={"typ": typ}) is None


@pytest.mark.parametrize(
    "typ",
    [
        "", "JWS", "JOSE", "application/jwt", "logout+jwt", "secevent+jwt", "oauth-id-jag+jwt", "dpop+jwt", "id_token+jwt",
        "oauth-authz-req+jwt", "token-introspection+jwt", "JWT ", "at+jwt;v=1", None, 7, ["JWT"], {}, True,
    ],
)  # fmt: skip
def test_any_other_type_is_wrong(typ: object) -> None:
    for issuer in (ISSUER, STRICT):
        assert code(header={"typ": typ}, issuer=issuer) is Code.WRONG_TYPE


@pytest.mark.parametrize("issuer", [STRICT, RFC9068])
def test_where_a_type_is_required_only_access_token_types_pass(issuer: Issuer) -> None:
    for typ in ("at+jwt", "application/at+jwt", "AT+jwt"):
        assert check(FULL, {"typ": typ}, issuer) is None
    assert code(FULL, {"typ": "JWT"}, issuer) is Code.WRONG_TYPE
    assert code(FULL, {}, issuer) is Code.WRONG_TYPE


@pytest.mark.parametrize("kind", ["ID", "Refresh", "Offline", "Logout", "id", "REFRESH"])
def test_a_payload_type_of_another_token_is_wrong(kind: str) -> None:
    assert code({"typ": kind}) is Code.WRONG_TYPE


@pytest.mark.parametrize("kind", ["Bearer", "DPoP", ""])
def test_another_payload_type_says_nothing(kind: str) -> None:
    assert check({"typ": kind}) is None


@pytest.mark.parametrize("kind", [7, 0, None, True, False, ["ID"], [], {"typ": "ID"}, {}])
def test_a_payload_type_that_is_no_string_is_wrong(kind: object) -> None:
    assert code({"typ": kind}) is Code.WRONG_TYPE


@pytest.mark.parametrize("mark", ["at_hash", "c_hash", "events"])
@pytest.mark.parametrize("value", ["x", None, {}, 0])
def test_a_mark_of_another_token_is_wrong_whatever_its_value(mark: str, value: object) -> None:
    assert code({mark: value}) is Code.WRONG_TYPE


# shapes


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_exp_and_iat_are_required(name: str) -> None:
    assert code({name: ...}) is Code.MISSING_CLAIM


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["1700000000", True, False, None, [WALL], {}, float("inf"), float("nan")])
def test_a_time_is_a_finite_number(name: str, value: object) -> None:
    assert code({name: value}) is Code.MISSING_CLAIM


@pytest.mark.parametrize("name", ["sub", "jti", "sid", "client_id", "azp", "appid", "cid"])
@pytest.mark.parametrize("value", [7, 7.5, None, True, ["x"], {"x": 1}])
def test_what_a_revocation_may_name_is_a_string(name: str, value: object) -> None:
    """Else a token with the jti 7 would not be found under "7"."""
    assert code({name: value}) is Code.MISSING_CLAIM
    assert check({name: "x"}) is None


@pytest.mark.parametrize("aud", [None, 7, True, {}, [7], ["api", None], [["api"]]])
def test_an_audience_is_strings(aud: object) -> None:
    assert code({"aud": aud}) is Code.MISSING_CLAIM


@pytest.mark.parametrize(("aud", "read"), [("api", ("api",)), (["a", "b"], ("a", "b")), ([], ()), (..., ())])
def test_an_audience_is_one_string_or_a_list(aud: Any, read: tuple[str, ...]) -> None:
    assert check({"aud": aud}) is None
    assert native.audience({} if aud is ... else {"aud": aud}) == read


@pytest.mark.parametrize("name", ["exp", "aud", "sub", "client_id", "iat", "jti"])
def test_rfc_9068_requires_its_claims(name: str) -> None:
    typ = {"typ": "at+jwt"}
    assert check(FULL, typ, RFC9068) is None
    assert code({**FULL, name: ...}, typ, RFC9068) is Code.MISSING_CLAIM


def test_the_client_is_the_first_of_its_claims() -> None:
    named = {"cid": "okta", "appid": "entra", "azp": "auth0", "client_id": "rfc9068"}
    for name, value in list(named.items()):
        assert native.client({name: value}) == value
    assert native.client(named) == "rfc9068"
    del named["client_id"]
    assert native.client(named) == "auth0"
    assert native.client({}) is None


# times


@pytest.mark.parametrize(
    ("exp", "expected"),
    [
        (WALL + 1, None),
        (WALL, None),
        (WALL - LEEWAY + 0.5, None),
        (WALL - LEEWAY, Code.EXPIRED),
        (WALL - LEEWAY - 1, Code.EXPIRED),
        (0, Code.EXPIRED),
        (-1e300, Code.EXPIRED),
    ],
)
def test_a_token_ends_at_exp_plus_leeway(exp: float, expected: Code | None) -> None:
    assert code({"exp": exp, "iat": WALL - 100}) is expected


@pytest.mark.parametrize(("name"), ["nbf", "iat"])
@pytest.mark.parametrize(
    ("ahead", "expected"), [(0, None), (LEEWAY, None), (LEEWAY + 0.5, Code.NOT_YET_VALID), (1e300, Code.NOT_YET_VALID)]
)
def test_a_token_begins_at_nbf_and_iat_minus_leeway(name: str, ahead: float, expected: Code | None) -> None:
    assert code({name: WALL + ahead}) is expected


@pytest.mark.parametrize(
    ("lifetime", "expected"), [(3600, None), (3600.5, Code.TOO_LONG_LIVED), (1e15, Code.TOO_LONG_LIVED)]
)
def test_a_lifetime_is_exp_minus_iat_without_leeway(lifetime: float, expected: Code | None) -> None:
    assert code({"iat": WALL, "exp": WALL + lifetime}) is expected


def test_a_token_that_expired_before_it_was_issued_is_expired() -> None:
    """With leeway alone it would pass for a moment, with a negative lifetime."""
    assert code({"exp": WALL - 5, "iat": WALL + 5}) is Code.EXPIRED
    assert check({"exp": WALL, "iat": WALL}) is None


def test_an_old_iat_does_not_hide_behind_an_exp_near_now() -> None:
    assert code({"iat": 0, "exp": WALL + 60}) is Code.TOO_LONG_LIVED
    assert code({"iat": -1e308, "exp": WALL + 60}) is Code.TOO_LONG_LIVED


def test_hints_say_by_how_much_the_clock_is_off() -> None:
    late, early = check({"exp": WALL - 42, "iat": WALL - 100}), check({"nbf": WALL + 42})
    assert late is not None
    assert late.hints == ("expired 42 s ago: perhaps clock skew (leeway is 30 s)",)
    assert early is not None
    assert early.hints == ("valid only in 42 s: perhaps clock skew (leeway is 30 s)",)
    long_ago = check({"exp": WALL - 4200, "iat": WALL - 5000})
    assert long_ago is not None
    assert long_ago.hints == ("expired 4200 s ago",)


@pytest.mark.parametrize("changes", [{"exp": -1e300}, {"nbf": 1e300}, {"exp": 1e308, "iat": -1e308}, {"iat": -(2**63)}])
def test_what_is_told_of_a_time_is_short_however_long_it_is(changes: dict[str, Any]) -> None:
    found = check(changes)
    assert found is not None
    assert len(" ".join((found.detail, *found.hints))) < 100


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("exp", "iat", "nbf", "sub", "jti", "sid", "client_id", "azp", "aud", "typ", "at_hash", "cnf", "scope")


@given(
    said=st.dictionaries(st.sampled_from(NAMES), json_values, max_size=6),
    times=st.fixed_dictionaries({}, optional={n: st.floats(WALL - 9000, WALL + 9000) for n in ("exp", "iat", "nbf")}),
    header=st.dictionaries(st.just("typ"), json_values | st.sampled_from(["JWT", "at+jwt"])),
    issuer=st.sampled_from([ISSUER, STRICT, RFC9068]),
)
def test_whatever_passes_has_the_shapes_and_times_that_the_policy_relies_on(
    said: dict[str, Any], times: dict[str, float], header: dict[str, Any], issuer: Issuer
) -> None:
    whole = said | times
    if judged(whole, header, issuer) is not None:
        return
    assert NOW.wall < whole["exp"] + LEEWAY
    assert whole["iat"] <= NOW.wall + LEEWAY
    assert 0 <= whole["exp"] - whole["iat"] <= issuer.max_lifetime
    assert all(isinstance(one, str) for one in native.audience(whole))
    assert isinstance(native.client(whole), str | None)
    assert isinstance(whole.get("jti", ""), str)
