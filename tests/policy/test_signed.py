"""The signed identity: what it says, how long it is given, and that nothing else ever gets it."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from support import identity, jose
from support.policies import AUDIENCE, GENERATION, ISSUER, NOW, OTHER_ISSUER, State, asked, decided, verified

from bearerd.config.model import IDENTITY, SIGNED, Config
from bearerd.decision import Now, Reuse
from bearerd.errors import UnusableKey
from bearerd.policy.resource import Policy

LIFETIME = 60
LEEWAY = 30


def policy(mode: str = "jwt", *pems: str, most: int = 10_000, rules: tuple[Any, ...] = (), **table: Any) -> Policy:
    made = {"identifier": AUDIENCE, "forward_identity": mode, "rule": rules} | table
    tree = {
        "identity": identity.table(*pems),
        "limits": {"identity_tokens": most},
        "issuer": [{"issuer": ISSUER, "leeway": f"{LEEWAY}s"}, {"issuer": OTHER_ISSUER}],
        "resource": {"api": made, "other": made | {"identity_audience": "urn:other"}},
    }
    return Policy(Config.model_validate(tree), GENERATION)


def later(seconds: float, now: Now = NOW) -> Now:
    return now._replace(wall=now.wall + seconds, boot=now.boot + seconds)


def sent(judged: Policy, now: Now = NOW, name: str = "api", **fields: Any) -> str:
    state = State(max_staleness=1e6)
    return dict(decided(judged.resources[name], asked(), verified(**fields), now, state).headers_add)[SIGNED]


def claims(judged: Policy, value: str, audience: str = AUDIENCE) -> dict[str, Any]:
    assert judged.signatory is not None
    return identity.read(value, json.loads(judged.signatory.key_set), audience, verify_exp=False, verify_iat=False)


def reuse(judged: Policy, now: Now = NOW, **fields: Any) -> Reuse:
    found = decided(judged.resources["api"], asked(), verified(**fields), now, State(max_staleness=1e6)).reuse
    assert found is not None
    return found


# ---- what it says


@pytest.mark.parametrize("kind", ["P-256", "Ed25519", "RSA"])
def test_it_says_who_asks_for_whom_and_how_long(kind: str) -> None:
    judged = policy("jwt", identity.pem(kind))
    fields = {"scopes": ("read", "write"), "roles": ("a,b", "admin"), "token_id": "ab" * 32}
    assert claims(judged, sent(judged, **fields)) == {
        "iss": identity.NAME,
        "aud": AUDIENCE,
        "orig_iss": ISSUER,
        "sub": "alice",
        "client_id": "app",
        "scope": "read write",
        "roles": ["a,b", "admin"],
        "token_id": "ab" * 32,
        "iat": int(NOW.wall),
        "exp": int(NOW.wall) + LIFETIME,
    }


def test_what_the_token_does_not_say_is_absent() -> None:
    judged = policy()
    said = claims(judged, sent(judged, subject=None, client=None))
    assert said.keys() == {"iss", "aud", "orig_iss", "token_id", "iat", "exp"}


def test_each_resource_has_its_own_audience() -> None:
    judged = policy()
    assert claims(judged, sent(judged, name="other"), "urn:other")["aud"] == "urn:other"
    with pytest.raises(jwt.InvalidAudienceError):
        claims(judged, sent(judged, name="api"), "urn:other")


def test_claims_of_the_identity_table_go_along_and_take_no_place_of_ours() -> None:
    plan = {
        "X-Auth-Subject": "sub", "X-Auth-Issuer": "iss", "X-Mail": "email", "X-Org": "json:org.id", "X-All": "csv:groups",
        "X-Exp": "exp", "X-Aud": "aud", "X-None": "nothing",
    }  # fmt: skip
    judged = policy(identity=plan)
    theirs = {"email": "a@b", "org": {"id": 7}, "groups": ["x,y", "é"], "exp": 9e9, "aud": "urn:forged", "sub": "root"}
    said = claims(judged, sent(judged, claims=theirs))
    assert said["claims"] == {
        "email": "a@b", "org.id": 7, "groups": ["x,y", "é"], "exp": 9e9, "aud": "urn:forged"
    }  # fmt: skip
    assert (said["aud"], said["exp"], said["sub"]) == (AUDIENCE, int(NOW.wall) + LIFETIME, "alice")


@pytest.mark.parametrize("odd", ["a b", "", " ", "a\tb", "a\u2028b", "a\n"])
def test_a_scope_that_would_be_read_as_two_is_left_out(odd: str) -> None:
    judged = policy()
    assert claims(judged, sent(judged, scopes=("read", odd)))["scope"] == "read"


def test_both_sends_the_plain_headers_too_and_jwt_sends_them_empty() -> None:
    for mode, subject in (("both", "alice"), ("jwt", "")):
        headers = decided(policy(mode).resources["api"], asked(), verified()).headers_add
        assert [name for name, _ in headers] == [*IDENTITY, SIGNED]
        assert dict(headers)["X-Auth-Subject"] == subject
        assert dict(headers)[SIGNED].count(".") == 2


def test_headers_alone_are_as_ever() -> None:
    judged = policy("headers").resources["api"]
    assert [name for name, _ in decided(judged, asked(), verified()).headers_add] == [*IDENTITY]


@pytest.mark.parametrize("auth", ["none", "optional"])
def test_nobody_has_an_empty_one(auth: str) -> None:
    judged = policy(rules=({"auth": auth},)).resources["api"]
    decision = decided(judged, asked(), None)
    assert decision.allowed
    assert dict(decision.headers_add)[SIGNED] == ""
    assert SIGNED in decision.headers_remove


def test_whoever_a_shadow_resource_would_have_refused_has_an_empty_one() -> None:
    judged = policy(enforce="shadow", scopes=("admin",)).resources["api"]
    decision = decided(judged, asked(), verified())
    assert decision.allowed
    assert set(dict(decision.headers_add).values()) == {""}


def test_a_refusal_signs_nothing() -> None:
    judged = policy(scopes=("admin",))
    for subject in (verified(), verified(audience=("urn:x",)), verified(confirmed=True)):
        assert not decided(judged.resources["api"], asked(), subject).allowed
    assert not decided(judged.resources["api"], asked(), verified(scopes=("admin",)), state=State(age=1e9)).allowed
    assert judged.signatory is not None
    assert judged.signatory.signatures == 0


@pytest.mark.parametrize("name", [b"X-Auth-Identity", b"x_auth_identity", b"X.AUTH.IDENTITY", b"x~auth~identity"])
@pytest.mark.parametrize("mode", ["headers", "jwt", "both"])
def test_a_client_s_own_is_spoofed_whatever_the_resource_forwards(mode: str, name: bytes) -> None:
    assert policy(mode).resources["api"].identity.spoofed([(name, b"x")]) == (name.decode(),)


# ---- how long


def test_one_signature_serves_until_half_of_its_lifetime_is_over() -> None:
    judged = policy("jwt", identity.pem("Ed25519"))
    first = sent(judged)
    for seconds in (0.0, 1.0, 29.9):
        assert sent(judged, later(seconds)) == first
    second = sent(judged, later(30.0))
    assert second != first
    assert claims(judged, second)["exp"] == int(NOW.wall) + 30 + LIFETIME
    assert judged.signatory is not None
    assert judged.signatory.signatures == 2


def test_an_upstream_always_gets_one_with_half_of_its_lifetime_left_but_at_its_token_s_end() -> None:
    judged = policy("jwt", identity.pem("Ed25519"))
    end = NOW.wall + 200 + LEEWAY
    for tenth in range(2300):
        now = later(tenth / 10)
        exp = claims(judged, sent(judged, now, expires_at=NOW.wall + 200))["exp"]
        assert exp - now.wall >= LIFETIME / 2 or exp == end
        assert now.wall < exp <= end


def test_one_of_a_token_s_last_moments_is_not_signed_anew_in_vain() -> None:
    judged = policy()
    for tenth in range(300):
        sent(judged, later(tenth / 10), expires_at=NOW.wall)
    assert judged.signatory is not None
    assert judged.signatory.signatures == 1


def test_it_never_outlives_what_bearerd_would_accept() -> None:
    judged = policy()
    assert claims(judged, sent(judged, expires_at=NOW.wall + 5))["exp"] == NOW.wall + 5 + LEEWAY
    assert claims(judged, sent(judged, expires_at=NOW.wall + 600, token_id="x"))["exp"] == NOW.wall + LIFETIME


def test_a_prepared_answer_ends_with_the_half_of_it() -> None:
    judged = policy()
    assert (reuse(judged).until_wall, reuse(judged).until_boot) == (NOW.wall + 30, NOW.boot + 30)
    now = later(12.5)
    assert (reuse(judged, now).until_wall, reuse(judged, now).until_boot) == (NOW.wall + 30, NOW.boot + 30)
    near = reuse(policy(), expires_at=NOW.wall + 10)
    assert (near.until_wall, near.until_boot) == (NOW.wall + 10 + LEEWAY, NOW.boot + 10 + LEEWAY)


def test_plain_headers_bound_nothing() -> None:
    assert reuse(policy("headers")).until_wall == NOW.wall + 600 + LEEWAY


def test_a_clock_that_was_set_back_gives_none_that_is_of_the_future() -> None:
    judged = policy()
    first = claims(judged, sent(judged))
    back = NOW._replace(wall=NOW.wall - 100, boot=NOW.boot + 1, behind=101.0)
    again = claims(judged, sent(judged, back))
    assert (first["iat"], again["iat"]) == (NOW.wall, NOW.wall - 100)
    assert reuse(judged, back).until_wall == back.latest + 30
    assert reuse(judged, back).until_boot == back.boot + 30


def test_a_clock_that_was_set_back_gives_none_past_the_token_s_end() -> None:
    """The token is judged by the latest time that it may be; by the clock as it stands that is so much earlier."""
    back = NOW._replace(wall=NOW.wall - 100, behind=100.0)
    judged = policy()
    assert claims(judged, sent(judged, back, expires_at=NOW.wall + 5))["exp"] == back.wall + 5 + LEEWAY


def test_a_machine_that_slept_gives_none_that_is_half_over() -> None:
    judged = policy()
    first = sent(judged)
    assert sent(judged, NOW._replace(boot=NOW.boot + 31)) != first


# ---- whose


def test_no_token_gets_another_s_and_no_resource_another_s() -> None:
    judged = policy("jwt", identity.pem("Ed25519"))
    values = {
        sent(judged, name=name, subject=subject, token_id=subject)
        for name in ("api", "other")
        for subject in ("alice", "bob")
        for _ in range(2)
    }
    assert len(values) == 4
    assert claims(judged, sent(judged, subject="bob", token_id="bob"))["sub"] == "bob"


def test_another_configuration_begins_anew_and_the_old_one_forgets() -> None:
    old, new = (
        policy("jwt", identity.pem("P-256", 1)),
        policy("jwt", identity.pem("P-256", 2), identity.pem("P-256", 1)),
    )
    before = sent(old)
    assert jwt.get_unverified_header(sent(new))["kid"] != jwt.get_unverified_header(before)["kid"]
    assert claims(new, before) == claims(old, before)  # the old key is published still
    old.forget()
    assert old.signatory is not None
    assert old.signatory.kept("api", "00" * 32, NOW) is None


def test_what_is_kept_is_bounded_and_the_oldest_goes() -> None:
    judged = policy("jwt", identity.pem("Ed25519"), most=3)
    assert judged.signatory is not None
    for number in range(5):
        sent(judged, later(number), token_id=str(number))
    assert [judged.signatory.kept("api", str(number), later(5)) is not None for number in range(5)] == [
        False, False, True, True, True,
    ]  # fmt: skip


def test_one_that_is_signed_anew_is_the_newest() -> None:
    judged = policy("jwt", identity.pem("Ed25519"), most=2)
    assert judged.signatory is not None
    sent(judged, token_id="a")
    sent(judged, later(20), token_id="b")
    sent(judged, later(31), token_id="a")
    sent(judged, later(32), token_id="c")
    assert [judged.signatory.kept("api", name, later(33)) is not None for name in "abc"] == [True, False, True]


# ---- keys


def test_the_key_set_holds_every_key_and_nothing_private() -> None:
    judged = policy("jwt", identity.pem("RSA"), identity.pem("Ed25519"), identity.public_pem())
    assert judged.signatory is not None
    for key in json.loads(judged.signatory.key_set)["keys"]:
        assert key.keys() <= {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}


def test_a_key_that_only_verifies_does_not_sign() -> None:
    with pytest.raises(UnusableKey):
        policy("jwt", identity.public_pem(), identity.pem())


def test_a_resource_without_keys_or_audience_is_no_resource() -> None:
    issuers = [{"issuer": ISSUER}]
    table = {"identifier": AUDIENCE, "forward_identity": "jwt"}
    with pytest.raises(ValueError, match="needs keys"):
        Policy(Config.model_validate({"issuer": issuers, "resource": {"api": table}}), 1)
    nameless = {"audience": AUDIENCE, "forward_identity": "jwt"}
    tree = {"issuer": issuers, "identity": identity.table(), "resource": {"api": nameless}}
    with pytest.raises(ValueError, match="an audience"):
        Policy(Config.model_validate(tree), 1)


def test_a_signature_is_of_the_first_key() -> None:
    judged = policy("jwt", identity.pem("P-256", 4), identity.pem("P-256", 5))
    other = {"keys": [jose.jwk("P-256", 5, kid=jwt.get_unverified_header(sent(judged))["kid"], alg="ES256")]}
    with pytest.raises(jwt.InvalidSignatureError):
        identity.read(sent(judged), other, AUDIENCE)
