"""native/examine: what is remembered from one token to the next must be what would be found anew."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from support.desk import ISS, NOW, WALL, Desk, key, later, token

from bearerd._native.examine import Payload, encoded
from bearerd.decision import Now, Pending, Wait
from bearerd.refusals import Code, Refusal
from bearerd.verify.budget import Budget
from bearerd.verify.verified import Claims, Verified


@pytest.fixture
def desk() -> Desk:
    return Desk()


def examined(desk: Desk, text: bytes, now: Any = NOW) -> Any:
    """Without the memory of the tokens themselves."""
    return desk.verifier.examine(text, now)


def code(found: Any) -> Code:
    assert isinstance(found, Refusal), found
    return found.code


def thumbprint(found: Any) -> str | None:
    assert isinstance(found, Verified), found
    return found.thumbprint


# The key that was chosen last


def test_the_key_of_the_last_token_is_the_next_ones_only_in_the_same_key_set(desk: Desk) -> None:
    text = token()
    assert thumbprint(examined(desk, text))
    desk.adopt(key("ES256", 1, kid="ES256-0"))
    assert code(examined(desk, text)) is Code.BAD_SIGNATURE
    desk.adopt(key("RS256"))
    assert isinstance(examined(desk, text), Pending)
    desk.adopt(key("ES256"))
    assert isinstance(examined(desk, text), Verified)


def test_the_generation_is_that_of_the_set_that_the_key_is_of(desk: Desk) -> None:
    text = token()
    before = examined(desk, text).key_generation
    desk.adopt(key("ES256"), key("ES256", 1))
    assert examined(desk, text).key_generation == before + 1


def test_the_key_of_the_last_token_ends_with_its_key_set_by_either_clock() -> None:
    text = token()
    for now in (later(61, boot=0), later(0, boot=61)):
        desk = Desk(issuer={"key_set_max_stale": 60.0})
        assert isinstance(examined(desk, text, later(59)), Verified)
        assert isinstance(examined(desk, text, now), Pending)
        assert isinstance(examined(desk, text, later(59)), Verified)


def test_headers_by_turns_have_each_its_own_key(desk: Desk) -> None:
    texts = [token(), token("RS256"), token(), token("EdDSA"), token("RS256")]
    found = [examined(desk, text) for text in texts]
    assert [one.alg for one in found] == ["ES256", "RS256", "ES256", "EdDSA", "RS256"]
    assert [one.kid for one in found] == ["ES256-0", "RS256-0", "ES256-0", "EdDSA-0", "RS256-0"]
    assert len({thumbprint(one) for one in found}) == 3


def test_no_key_is_no_choice_that_is_remembered(desk: Desk) -> None:
    text = token(header={"kid": "new"})
    assert isinstance(examined(desk, text), Pending)
    assert isinstance(examined(desk, text), Pending)
    desk.adopt(key("ES256", kid="new"))
    assert isinstance(examined(desk, text), Verified)


def test_a_check_that_fails_leaves_nothing_that_the_next_token_is_judged_by(desk: Desk) -> None:
    good, forged = token(), token(number=1, header={"kid": "ES256-0"})
    for _ in range(2):
        assert isinstance(examined(desk, good), Verified)
        assert code(examined(desk, forged)) is Code.BAD_SIGNATURE


# The header that was read last


def test_a_header_that_is_refused_does_not_stay(desk: Desk) -> None:
    good, bad = token(), token(header={"crit": ["x"]})
    for text, expected in (
        (bad, Code.MALFORMED_TOKEN),
        (bad, Code.MALFORMED_TOKEN),
        (good, None),
        (bad, Code.MALFORMED_TOKEN),
    ):
        found = examined(desk, text)
        assert (found.code if isinstance(found, Refusal) else None) is expected


def test_a_header_is_another_if_one_byte_of_it_is(desk: Desk) -> None:
    assert examined(desk, token(header={"typ": "JWT"})).alg == "ES256"
    assert code(examined(desk, token(header={"typ": "JWS"}))) is Code.WRONG_TYPE
    assert examined(desk, token(header={"typ": "JWT"})).alg == "ES256"


def test_threads_that_examine_at_once_are_each_given_their_own(desk: Desk) -> None:
    """It is for one thread, as all of a worker's is; but no program that uses another may be told of another's token."""
    algorithms = ("ES256", "RS256", "EdDSA")
    long = "x" * 2500  # of so much, a digest is made while other threads run
    texts = {alg: [token(alg, jti=f"{alg} {number}", long=long) for number in range(5)] for alg in algorithms}
    expected = {alg: thumbprint(examined(desk, texts[alg][0])) for alg in algorithms}
    wrong: list[Any] = []

    def act(alg: str) -> None:
        for _ in range(30):
            for text in texts[alg]:
                found = examined(desk, text)
                if not isinstance(found, Verified) or (found.alg, found.thumbprint) != (alg, expected[alg]):
                    wrong.append(found)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(act, algorithms))
    finally:
        sys.setswitchinterval(before)
    assert not wrong


# Whose turn it is


def test_no_signature_is_checked_that_is_not_its_issuers_turn() -> None:
    budget = Budget()
    desk = Desk(budget=budget)
    text = token()
    with budget.closed():
        assert examined(desk, text) == Pending(Wait.TURN, ISS)
        assert code(examined(desk, token(exp=WALL - 100))) is Code.EXPIRED  # what needs no check needs no turn
    assert desk.checks() == 0
    assert isinstance(examined(desk, text), Verified)


# By which clock


def test_an_issuers_clock_is_ahead_of_the_latest_time() -> None:
    desk = Desk(issuer={"cutoff_slack": 5.0})
    examined(desk, token(iat=WALL + 20), Now(NOW.wall, NOW.boot, 15.0))
    assert not desk.observer.ahead
    examined(desk, token(iat=WALL + 21), Now(NOW.wall, NOW.boot, 15.0))
    assert desk.observer.ahead == {"main": 6.0}


# A fault in whatever is asked on the way


@pytest.mark.parametrize(
    "where",
    [
        "bearerd.issuers.registry.Issuer.select",
        "bearerd.issuers.registry.Issuer.generation",
        "bearerd.jws.keys.Key.check",
        "bearerd.verify.budget.Budget.take",
        "support.desk.Counts.count",
        "support.desk.Counts.lifetime_over_hour",
        "support.desk.Counts.clock_ahead",
    ],
)
def test_a_fault_on_the_way_is_a_fault_and_nothing_is_kept_of_it(where: str) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    text = token(iat=WALL + 20, exp=WALL + 9000)
    desk = Desk(issuer={"cutoff_slack": 5.0, "max_lifetime": 1e5})
    with patch(where, property(fail) if where.endswith("generation") else fail):
        desk.configure()  # so that an examiner begins, which remembers nothing
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                desk.verify(text)
    assert desk.cache.entries == 0
    assert desk.refused.hits == 0
    desk.configure()
    assert desk.verified(text).thumbprint == thumbprint(examined(Desk(issuer={"max_lifetime": 1e5}), text))


# What is given from Python


@pytest.mark.parametrize("now", [None, 1.0, (), (1.0, 2.0, 0.0), [1.0, 2.0, 0.0, 0.0]])
def test_the_time_is_four_numbers(desk: Desk, now: Any) -> None:
    text = token()
    for act in (desk.verifier._examiner.examine, desk.verifier.verify_now):
        with pytest.raises(TypeError, match="a tuple of 4 fields"):
            act(text, now)


@pytest.mark.parametrize("text", [None, "text", bytearray(b"a.b.c")])
def test_a_token_is_bytes(desk: Desk, text: Any) -> None:
    for act in (desk.verifier._examiner.examine, desk.verifier.verify_now):
        with pytest.raises(TypeError):
            act(text, NOW)


def test_a_payload_is_read_when_it_is_asked_for_and_once() -> None:
    payload = Payload(b'{"a": [1]}')
    assert payload.read() is payload.read()
    assert payload.read() == {"a": [1]}
    known = {"a": 1}
    assert Payload(b"", known).read() is known


@pytest.mark.parametrize("wrong", [b"[1]", b"7", b"{"])
def test_a_payload_that_is_no_object_is_never_read_as_one(wrong: bytes) -> None:
    with pytest.raises((TypeError, orjson.JSONDecodeError)):
        Payload(wrong).read()


def test_a_record_is_what_is_read_in_it(desk: Desk) -> None:
    found = examined(desk, token())
    assert Verified.decode(encoded(found, found.claims), found.key_generation) == found


@pytest.mark.parametrize(
    ("verified", "claims"), [(None, Claims(b"{}")), ((1,), Claims(b"{}")), (tuple(range(16)), None)]
)
def test_no_record_is_made_of_what_is_not_verified(verified: Any, claims: Any) -> None:
    with pytest.raises(TypeError):
        encoded(verified, claims)
