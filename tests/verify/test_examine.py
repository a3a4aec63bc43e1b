from __future__ import annotations

import json
from typing import Any

import pytest
from support import jose
from support.desk import ISS, NOW, OTHER, WALL, Desk, claims, key, token

from bearerd.decision import Pending, Wait
from bearerd.limits import Limits
from bearerd.refusals import Code, Refusal
from bearerd.verify.verified import Verified


@pytest.fixture
def desk() -> Desk:
    return Desk()


def examine(desk: Desk, text: bytes) -> Any:
    return desk.verifier.examine(text, NOW)


def refusal(desk: Desk, text: bytes) -> Refusal:
    found = examine(desk, text)
    assert isinstance(found, Refusal), found
    return found


def code(desk: Desk, text: bytes) -> Code:
    return refusal(desk, text).code


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_good_token_is_verified(desk: Desk, alg: str) -> None:
    found = examine(desk, token(alg, sid="s", client_id="app", scope="read write", roles=["admin"]))
    assert isinstance(found, Verified)
    assert (found.issuer, found.subject, found.client, found.session) == (ISS, "alice", "app", "s")
    assert (found.scopes, found.roles, found.audience) == (("read", "write"), ("admin",), ("api",))
    assert (found.issued_at, found.expires_at, found.lifetime) == (WALL - 10, WALL + 600, 610)
    assert (found.alg, found.kid, found.jti) == (alg, f"{alg}-0", "1")
    assert found.key_generation == desk.generations.key_set(0)
    assert desk.observer.checks == {(alg, "ok"): 1}


def test_the_token_id_is_the_digest_of_the_signing_input(desk: Desk) -> None:
    """ECDSA signs one text in many ways: they are one token."""
    one, two = token(), token()
    assert one != two
    ids = {found.token_id for found in (examine(desk, one), examine(desk, two)) if isinstance(found, Verified)}
    assert len(ids) == 1


@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {}, None, "x"])
def test_a_cnf_claim_of_any_shape_makes_a_token_confirmed(desk: Desk, cnf: object) -> None:
    found = examine(desk, token(cnf=cnf))
    assert isinstance(found, Verified)
    assert found.confirmed


def test_what_is_no_compact_jws_is_malformed_without_a_signature_check(desk: Desk) -> None:
    good = token()
    for text in (
        b"",
        b"a.b",
        b"a.b.c.d.e",
        good + b"=",
        good[:-1] + b"\n",
        b"\xff" * 40,
        good.rpartition(b".")[0] + b".",
    ):
        assert code(desk, text) is Code.MALFORMED_TOKEN
    assert desk.checks() == 0


def signed(header: Any, payload: Any) -> bytes:
    return jose.compact(header, payload, "ES256", jose.private("P-256")).encode()


HEADER = {"alg": "ES256", "kid": "ES256-0"}


@pytest.mark.parametrize(
    "text",
    [
        signed(HEADER, b'{"iss":"https://issuer.example","iss":"https://other.example"}'),
        signed(HEADER, b'{"iss":"https://issuer.example","\\u0069ss":"https://other.example"}'),
        signed(HEADER, b"[]"),
        signed(HEADER, b"{"),
        signed(HEADER, b'{"iss":NaN}'),
        signed(HEADER, b'{"iss":"https://issuer.example","exp":1e400}'),
        signed(HEADER, b'{"a":' * 20 + b"0" + b"}" * 20),
        signed(HEADER, json.dumps({f"m{n}": 0 for n in range(520)}).encode()),
        signed(HEADER, b'{"iss":"\xff"}'),
        signed(HEADER, b'{"iss":"\\ud800"}'),
        signed(b'{"alg":"ES256",}', b"{}"),
        signed(HEADER | {"crit": ["exp"], "exp": 1}, claims()),
        signed(HEADER | {"b64": False}, claims()),
        signed(HEADER | {"kid": 7}, claims()),
        signed({"kid": "ES256-0"}, claims()),
    ],
)
def test_what_two_parsers_might_read_in_two_ways_is_malformed(desk: Desk, text: bytes) -> None:
    assert code(desk, text) is Code.MALFORMED_TOKEN


def test_a_token_beyond_the_limit_is_too_large() -> None:
    desk = Desk(limits=Limits(max_token_bytes=512))
    assert code(desk, token(filler="x" * 600)) is Code.TOO_LARGE


@pytest.mark.parametrize("iss", [..., None, 7, [ISS], {}])
def test_iss_must_be_there_as_a_string(desk: Desk, iss: object) -> None:
    assert code(desk, token(iss=iss)) is Code.MISSING_CLAIM


@pytest.mark.parametrize("iss", ["", ISS + "/", ISS.upper(), ISS + "\0", " " + ISS, "http://issuer.example"])
def test_iss_is_compared_byte_by_byte(desk: Desk, iss: str) -> None:
    found = refusal(desk, token(iss=iss))
    assert found.code is Code.UNKNOWN_ISSUER
    assert desk.checks() == 0


def test_an_unknown_issuer_hints_at_the_one_it_may_stand_for(desk: Desk) -> None:
    assert refusal(desk, token(iss=ISS + "/")).hints == (f"'{ISS}' is configured: they differ by the final slash",)


def test_one_issuers_key_verifies_nothing_of_another(desk: Desk) -> None:
    """B must not mint A's tokens: OTHER has the same keys under the same kids, and ISS has lost them."""
    desk.adopt(key("ES256", 1))
    assert isinstance(examine(desk, token(iss=OTHER)), Verified)
    found = examine(desk, token())
    assert found == Pending(Wait.KEY, ISS, "ES256-0")


@pytest.mark.parametrize("alg", ["RS384", "PS256", "ES384", "HS256", "Ed25519"])
def test_an_algorithm_that_is_not_the_issuers_is_unsupported(desk: Desk, alg: str) -> None:
    assert code(desk, token(alg)) is Code.UNSUPPORTED_ALG
    assert desk.checks() == 0


def test_an_algorithm_that_is_not_the_issuers_is_unsupported_whatever_else_is_wrong(desk: Desk) -> None:
    """Such a refusal is remembered, so it must not depend on the time."""
    assert code(desk, token("RS384", exp=WALL - 60, iat=WALL - 90)) is Code.UNSUPPORTED_ALG


def test_a_public_key_is_no_hmac_secret(desk: Desk) -> None:
    text = jose.compact({"alg": "HS256", "kid": "RS256-0"}, claims(), "HS256", key("RS256")["n"].encode())
    assert code(desk, text.encode()) is Code.UNSUPPORTED_ALG


def test_none_is_unsupported(desk: Desk) -> None:
    text = ".".join(map(jose.b64, (b'{"alg":"none"}', json.dumps(claims()).encode(), b"x")))
    assert code(desk, text.encode()) is Code.UNSUPPORTED_ALG


def test_a_key_of_another_kty_under_the_kid_is_unsupported(desk: Desk) -> None:
    assert code(desk, token("ES256", header={"kid": "RS256-0"})) is Code.UNSUPPORTED_ALG


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_in_the_header_is_not_looked_at(desk: Desk, member: str) -> None:
    text = token("ES256", number=1, header={"kid": "ES256-0", member: jose.jwk("P-256", 1)})
    assert code(desk, text) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exp": WALL - 60, "iat": WALL - 90}, Code.EXPIRED),
        ({"nbf": WALL + 60}, Code.NOT_YET_VALID),
        ({"exp": WALL + 10**6}, Code.TOO_LONG_LIVED),
        ({"jti": 7}, Code.MISSING_CLAIM),
        ({"exp": ...}, Code.MISSING_CLAIM),
        ({"at_hash": "x"}, Code.WRONG_TYPE),
    ],
)
def test_cheap_checks_come_before_the_signature(desk: Desk, changes: dict[str, Any], expected: Code) -> None:
    assert code(desk, token(**changes)) is expected
    assert desk.checks() == 0


def test_a_forged_signature_is_bad_and_counted(desk: Desk) -> None:
    assert code(desk, token(number=1, header={"kid": "ES256-0"})) is Code.BAD_SIGNATURE
    assert desk.observer.checks == {("ES256", "bad_signature"): 1}


def test_without_a_kid_the_only_key_that_fits_is_taken(desk: Desk) -> None:
    assert isinstance(examine(desk, token(header={"kid": ...})), Verified)
    desk.adopt(key("ES256"), key("ES256", 1))
    assert code(desk, token(header={"kid": ...})) is Code.UNKNOWN_KEY


def test_an_unknown_kid_is_pending_and_then_unknown(desk: Desk) -> None:
    text = token(header={"kid": "new"})
    assert examine(desk, text) == Pending(Wait.KEY, ISS, "new")
    issuer = desk.issuers.find(ISS)
    assert issuer is not None
    issuer.quiet_boot = NOW.boot + 30
    assert code(desk, text) is Code.UNKNOWN_KEY


def test_an_unknown_kid_hints_at_the_issuer_that_has_it(desk: Desk) -> None:
    desk.adopt(key("RS256"))
    issuer = desk.issuers.find(ISS)
    assert issuer is not None
    issuer.quiet_boot = NOW.boot + 30
    found = refusal(desk, token())
    assert found.code is Code.UNKNOWN_KEY
    whose = "the token says that it is of issuer main"
    assert found.hints == ("the key set of issuer other has this kid", f"{whose}, kid 'ES256-0'")
    assert refusal(desk, token(header={"kid": "nowhere"})).hints == (f"{whose}, kid 'nowhere'",)
    desk.adopt(key("RS256", kid="a"), key("RS256", 1, kid="b"))
    assert refusal(desk, token("RS256", header={"kid": ...})).hints == (whose,)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": WALL - 900},
        {"iat": WALL + 900, "exp": WALL + 1000},
        {"jti": 7},
        {"exp": ...},
        {"typ": "ID"},
        {"exp": WALL + 10**6},
    ],
)
def test_what_is_wrong_with_claims_is_said_of_an_issuer_by_its_configured_name(
    desk: Desk, changes: dict[str, Any]
) -> None:
    assert refusal(desk, token(**changes)).hints[-1] == "the token says that it is of issuer main"


def test_a_bad_signature_is_said_of_an_issuer_and_a_kid_cut_short(desk: Desk) -> None:
    desk.adopt(key("ES256", kid="k" * 500))
    (hint,) = refusal(desk, token(number=1, header={"kid": "k" * 500})).hints
    assert hint == f"the token says that it is of issuer main, kid '{'k' * 120}...'"


def test_an_issuer_without_keys_is_pending_and_then_unavailable(desk: Desk) -> None:
    issuer = desk.issuers.find(ISS)
    assert issuer is not None
    issuer.key_set = None
    assert examine(desk, token()) == Pending(Wait.KEY, ISS)
    issuer.retry_boot = NOW.boot + 5
    found = refusal(desk, token())
    assert (found.code, found.retry_after) == (Code.ISSUER_UNAVAILABLE, 5)


def test_a_lifetime_above_an_hour_is_counted_by_the_issuers_name(desk: Desk) -> None:
    examine(desk, token(iat=WALL, exp=WALL + 3600))
    assert not desk.observer.long_lived
    examine(desk, token(iat=WALL, exp=WALL + 3601))
    examine(desk, token(iat=WALL, exp=WALL + 3601, number=1, header={"kid": "ES256-0"}))  # forged: not counted
    assert desk.observer.long_lived == {"main": 1}


def test_an_issuer_whose_clock_leads_by_more_than_the_slack_is_told_of_once_its_signature_is_good() -> None:
    desk = Desk(issuer={"cutoff_slack": 2.0})
    desk.verified(token(iat=WALL + 2))
    assert not desk.observer.ahead
    desk.code(token(iat=WALL + 3, number=1, header={"kid": "ES256-0"}))  # whose it is, nobody knows
    assert not desk.observer.ahead
    desk.verified(token(iat=WALL + 3))
    assert desk.observer.ahead == {"main": 3}


def test_hs_works_for_an_issuer_with_a_secret_only(tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(jose.SECRET)
    desk = Desk()
    desk.configure(secret_file=secret, algorithms=("HS256",))
    for kid in (..., "whatever"):
        assert isinstance(examine(desk, token("HS256", header={"kid": kid})), Verified)
    assert code(desk, token("HS256", number=1)) is Code.BAD_SIGNATURE
    assert code(desk, token("ES256")) is Code.UNSUPPORTED_ALG


def test_no_refusal_quotes_the_token(desk: Desk) -> None:
    texts = [
        token(number=1, header={"kid": "ES256-0"}),
        token(iss="https://issuer.example/" + "x" * 500),
        token(exp=WALL - 100, iat=WALL - 200),
        token()[:-1] + b"!",
        token(header={"typ": "y" * 500}),
    ]
    for text in texts:
        found = refusal(desk, text)
        told = " ".join((found.detail, *found.hints))
        assert len(told) < 400
        for part in text.decode().split("."):
            assert part not in told


def test_typ_required_and_other_settings_are_the_issuers_own(desk: Desk) -> None:
    desk.configure(typ="required")
    assert code(desk, token()) is Code.WRONG_TYPE
    assert isinstance(examine(desk, token(header={"typ": "at+jwt"})), Verified)
    assert isinstance(examine(desk, token(iss=OTHER)), Verified)
