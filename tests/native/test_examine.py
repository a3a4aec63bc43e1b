"""native/examine: what is remembered from one token to the next must be what would be found anew."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from support.desk import NOW, Desk, key, later, token

from bearerd._native.examine import Payload, encoded
from bearerd.decision import Pending
from bearerd.refusals import Code, Refusal
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
