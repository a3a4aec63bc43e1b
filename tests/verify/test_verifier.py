from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.desk import ISS, LIMITS, NOW, OTHER, WALL, Counts, Desk, key, key_set, later, token

from bearerd._native.generations import Generations
from bearerd.config.model import Config, Issuer
from bearerd.decision import Pending, Wait
from bearerd.issuers.registry import Issuers
from bearerd.limits import Limits
from bearerd.refusals import TABLE, Code, Refusal
from bearerd.store.entries import Kind
from bearerd.verify.flights import Flights
from bearerd.verify.verified import Verified
from bearerd.verify.verifier import TokenVerifier


@pytest.fixture
def desk() -> Desk:
    return Desk()


# What is known


def test_a_known_token_costs_no_second_signature(desk: Desk) -> None:
    text = token(scope="a b", cnf={"jkt": "x"}, nested={"list": [1, "x", None]})
    first = desk.verified(text)
    assert desk.verified(text) == first
    assert desk.verified(text, later(100)) == first
    assert desk.checks() == 1
    assert (desk.cache.hits, desk.cache.entries) == (2, 1)


def test_other_bytes_are_another_token(desk: Desk) -> None:
    """G4: what is cached is bound to the exact bytes; an ECDSA token signed anew is examined anew."""
    desk.verified(token())
    desk.verified(token())
    assert desk.checks() == 2


def test_a_known_token_stops_at_exp_plus_leeway_by_the_wall_clock(desk: Desk) -> None:
    text = token(exp=WALL + 100)
    desk.verified(text)
    desk.verified(text, later(129, boot=0))
    assert desk.code(text, later(130, boot=0)) is Code.EXPIRED
    assert desk.checks() == 1


def test_a_known_token_stops_by_the_boot_clock_though_the_wall_clock_stands_still(desk: Desk) -> None:
    """A process that was paused must refuse before it answers; a clock set back must not lengthen a token's life."""
    text = token(exp=WALL + 100)
    desk.verified(text)
    desk.verified(text, later(0, boot=129))
    desk.verified(text, later(0, boot=131))
    assert desk.checks() == 2  # the entry was gone; by the wall clock, which is what exp means, the token is good


def test_a_known_token_does_not_outlive_the_keys_own_time() -> None:
    text = token()
    desk = Desk(issuer={"key_set_max_stale": 60.0})
    desk.verified(text)
    desk.verified(text, later(59))
    for now in (later(61, boot=0), later(0, boot=61), later(61)):
        fresh = Desk(issuer={"key_set_max_stale": 60.0})
        fresh.verified(text)
        assert fresh.verify(text, now) == Pending(Wait.KEY, ISS)


def test_inline_keys_never_grow_old(desk: Desk) -> None:
    desk.configure(jwks={"keys": [key("ES256")]}, max_lifetime=1e8)
    text = token(exp=WALL + 10**7)
    desk.verified(text)
    desk.verified(text, later(9 * 10**6))
    assert desk.checks() == 1


# Refusals that are remembered


def forged(number: int = 1, **changes: Any) -> bytes:
    return token(number=number, header={"kid": "ES256-0"}, **changes)


def test_a_flood_of_one_bad_token_buys_one_signature_check(desk: Desk) -> None:
    text = forged()
    for _ in range(100):
        assert desk.code(text) is Code.BAD_SIGNATURE
    assert desk.checks() == 1
    assert desk.refused.hits == 99
    assert desk.cache.entries == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"a.b.c", Code.MALFORMED_TOKEN),
        (token("RS384"), Code.UNSUPPORTED_ALG),
        (forged(), Code.BAD_SIGNATURE),
    ],
)
def test_a_remembered_refusal_keeps_its_code(desk: Desk, text: bytes, code: Code) -> None:
    assert TABLE[code].remembered
    assert [desk.code(text) for _ in range(3)] == [code] * 3
    assert desk.refused.hits == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (token(typ="ID"), Code.WRONG_TYPE),
        (token(exp=WALL + 10**6), Code.TOO_LONG_LIVED),
        (token(exp=...), Code.MISSING_CLAIM),
        (token(iss="https://nobody.example"), Code.UNKNOWN_ISSUER),
        (token(exp=WALL - 60, iat=WALL - 90), Code.EXPIRED),
        (token(nbf=WALL + 60), Code.NOT_YET_VALID),
        (b"x" * 9000, Code.TOO_LARGE),
    ],
)
def test_a_refusal_that_depends_on_time_or_state_is_not_remembered(desk: Desk, text: bytes, code: Code) -> None:
    assert [desk.code(text) for _ in range(3)] == [code] * 3
    assert desk.refused.hits == 0


def test_a_remembered_refusal_is_forgotten_after_its_seconds(desk: Desk) -> None:
    text = forged()
    desk.code(text)
    desk.code(text, later(LIMITS.refused_seconds - 1))
    assert desk.checks() == 1
    desk.code(text, later(LIMITS.refused_seconds + 1))
    assert desk.checks() == 2


def test_a_remembered_refusal_ends_with_the_next_key_set(desk: Desk) -> None:
    """A kid that is used again for another key: what was forged under the old one may be good under the new."""
    text = forged()
    assert desk.code(text) is Code.BAD_SIGNATURE
    desk.adopt(key("ES256", 1, kid="ES256-0"))
    desk.verified(text)


def test_a_remembered_refusal_ends_with_any_issuers_next_key_set_or_a_reload(desk: Desk) -> None:
    text = forged()
    desk.code(text)
    other = desk.issuers.find(OTHER)
    assert other is not None
    other.adopt(key_set(key("RS256")), NOW)
    desk.code(text)
    assert desk.checks() == 2
    desk.generations.config += 1
    desk.code(text)
    assert desk.checks() == 3
    desk.configure(algorithms=("RS256",))
    assert desk.code(text) is Code.UNSUPPORTED_ALG


def test_a_flood_of_bad_tokens_evicts_no_good_one(desk: Desk) -> None:
    good = token()
    desk.verified(good)
    for number in range(2000):
        desk.verify(b"a.b.%d" % number)
    desk.verified(good)
    assert desk.checks() == 1


# Keys


def test_a_removed_key_stops_verifying_at_once(desk: Desk) -> None:
    text = token()
    desk.verified(text)
    desk.adopt(key("ES256", 1))
    assert desk.verify(text) == Pending(Wait.KEY, ISS, "ES256-0")
    assert desk.cache.entries == 0


def test_a_key_that_stays_keeps_its_tokens_without_a_signature_check(desk: Desk) -> None:
    text = token()
    first = desk.verified(text)
    desk.adopt(key("ES256"), key("ES256", 1))
    again = desk.verified(text)
    assert desk.checks() == 1
    assert again == first._replace(key_generation=first.key_generation + 1)
    assert desk.verified(text) == again
    assert desk.checks() == 1


def test_another_key_under_the_same_kid_verifies_anew(desk: Desk) -> None:
    text = token()
    desk.verified(text)
    desk.adopt(key("ES256", 1, kid="ES256-0"))
    assert desk.code(text) is Code.BAD_SIGNATURE
    assert desk.cache.entries == 0


def test_the_same_key_under_another_kid_is_not_the_tokens_key(desk: Desk) -> None:
    text = token()
    desk.verified(text)
    desk.adopt(key("ES256", kid="renamed"))
    assert desk.verify(text) == Pending(Wait.KEY, ISS, "ES256-0")


def test_a_key_that_lost_its_algorithm_verifies_no_more(desk: Desk) -> None:
    text = token("RS256")
    desk.verified(text)
    desk.adopt(key("RS256", alg="RS512"), key("ES256"))
    assert desk.code(text) is Code.UNSUPPORTED_ALG


def test_without_a_kid_a_second_key_that_fits_ends_the_first_ones_tokens(desk: Desk) -> None:
    text = token(header={"kid": ...})
    desk.verified(text)
    desk.adopt(key("ES256"), key("RS256"))
    desk.verified(text)
    assert desk.checks() == 1
    desk.adopt(key("ES256"), key("ES256", 1))
    assert desk.code(text) is Code.UNKNOWN_KEY


def test_another_issuers_rotation_costs_nothing(desk: Desk) -> None:
    text = token()
    desk.verified(text)
    other = desk.issuers.find(OTHER)
    assert other is not None
    other.adopt(key_set(key("ES256", 5)), NOW)
    desk.verified(text)
    assert desk.checks() == 1


def test_a_reload_has_every_token_verified_anew(desk: Desk) -> None:
    text = token()
    desk.verified(text)
    desk.configure(max_lifetime=60.0)
    assert desk.code(text) is Code.TOO_LONG_LIVED
    desk.configure(max_lifetime=3600.0)
    desk.verified(text)
    desk.configure(algorithms=("RS256",))
    assert desk.code(text) is Code.UNSUPPORTED_ALG


def with_issuers(desk: Desk, issuers: Issuers) -> TokenVerifier:
    """A verifier with the desk's tables and other issuers, before the caller has raised the configuration's generation."""
    return TokenVerifier(
        issuers,
        generations=desk.generations,
        cache=desk.cache,
        refused=desk.refused,
        view=desk.view,
        limits=LIMITS,
    )


@pytest.mark.parametrize("related", [True, False])
def test_an_issuer_that_a_reload_removed_is_unknown(desk: Desk, related: bool) -> None:
    text, config = token(), Config(issuer=(Issuer(issuer=OTHER),))
    desk.verified(text)
    issuers = desk.issuers.reloaded(config) if related else Issuers(config, Generations())
    found = with_issuers(desk, issuers).verify_now(text, NOW)
    assert isinstance(found, Refusal)
    assert found.code is Code.UNKNOWN_ISSUER


async def test_concurrent_misses_for_one_token_fetch_once_and_verify_once(desk: Desk) -> None:
    text, fetched = token(number=1), []

    async def fetch(pending: Pending) -> None:
        fetched.append(pending)
        await asyncio.sleep(0)
        desk.adopt(key("ES256"), key("ES256", 1))

    flights = Flights(fetch, LIMITS.max_waiting)

    async def ask() -> Any:
        found = desk.verify(text)
        if isinstance(found, Pending):
            assert await flights.wait(found) is None
            found = desk.verify(text)
        return found

    answers = await asyncio.gather(*(ask() for _ in range(50)))
    assert all(isinstance(found, Verified) for found in answers)
    assert fetched == [Pending(Wait.KEY, ISS, "ES256-1")]
    assert desk.checks() == 1


# Revocations

FULL = {"sid": "session", "client_id": "app"}


def revoked_by(desk: Desk, text: bytes) -> list[tuple[Kind, str]]:
    found = desk.verified(text)
    return [
        (Kind.TOKEN, "1"),
        (Kind.TOKEN, found.token_id),
        (Kind.SUBJECT, "alice"),
        (Kind.SESSION, "session"),
        (Kind.CLIENT, "app"),
        (Kind.KEY, found.thumbprint),
        (Kind.ISSUER, ""),
    ]


@pytest.mark.parametrize("number", range(7))
def test_a_known_token_obeys_a_revocation_of_any_kind_at_once(number: int) -> None:
    desk, text = Desk(), token(**FULL)
    kind, value = revoked_by(desk, text)[number]
    desk.revoke(kind, value)
    found = desk.verify(text)
    assert isinstance(found, Refusal)
    assert (found.code, found.detail) == (Code.REVOKED, f"its {kind.name.lower()} is revoked")


@pytest.mark.parametrize("number", range(7))
def test_a_new_token_obeys_a_revocation_of_any_kind(number: int) -> None:
    text = token(**FULL)
    kind, value = revoked_by(Desk(), text)[number]
    desk = Desk()
    desk.revoke(kind, value)
    found = desk.verify(text)
    assert isinstance(found, Refusal)
    assert (found.code, found.detail) == (Code.REVOKED, f"its {kind.name.lower()} is revoked")


def test_a_revoked_good_token_stays_and_costs_no_second_signature(desk: Desk) -> None:
    desk.revoke(Kind.TOKEN, "1")
    text = token()
    for _ in range(50):
        assert desk.code(text) is Code.REVOKED
    assert desk.checks() == 1
    assert desk.cache.entries == 1


def test_a_token_without_jti_is_revoked_by_its_digest(desk: Desk) -> None:
    text = token(jti=...)
    desk.revoke(Kind.TOKEN, desk.verified(text).token_id)
    assert desk.code(text) is Code.REVOKED


def test_the_digest_revokes_every_signature_of_the_same_text(desk: Desk) -> None:
    """ECDSA: whoever holds a token (or its key) must not shake a revocation off by signing, or encoding, anew."""
    desk.revoke(Kind.TOKEN, desk.verified(token(jti=...)).token_id)
    assert desk.code(token(jti=...)) is Code.REVOKED


def test_a_revocation_counts_for_its_issuer_only(desk: Desk) -> None:
    desk.revoke(Kind.SUBJECT, "alice", issuer=OTHER)
    desk.verified(token())
    assert desk.code(token(iss=OTHER)) is Code.REVOKED


def test_a_cut_off_refuses_what_was_issued_up_to_its_second(desk: Desk) -> None:
    desk.revoke(Kind.SUBJECT, "alice", cutoff=WALL - 10)
    assert desk.code(token(iat=WALL - 11)) is Code.REVOKED
    assert desk.code(token(iat=WALL - 10)) is Code.REVOKED
    assert desk.code(token(iat=WALL - 9.1)) is Code.REVOKED
    desk.verified(token(iat=WALL - 9))


def test_a_revocation_of_the_key_counts_whatever_the_kid(desk: Desk) -> None:
    thumbprint = desk.verified(token()).thumbprint
    desk.adopt(key("ES256", kid="renamed"))
    desk.revoke(Kind.KEY, thumbprint)
    assert desk.code(token(header={"kid": "renamed"})) is Code.REVOKED


def test_an_examination_without_memory_obeys_revocations_and_keeps_nothing(desk: Desk) -> None:
    text = token()
    assert isinstance(desk.verifier.examine(text, NOW), Verified)
    desk.revoke(Kind.SUBJECT, "alice")
    found = desk.verifier.examine(text, NOW)
    assert isinstance(found, Refusal)
    assert found.code is Code.REVOKED
    assert desk.cache.entries == 0
    assert isinstance(desk.verifier.examine(text, NOW, revoked_too=True), Verified)
    bad = desk.verifier.examine(forged(), NOW)
    assert isinstance(bad, Refusal)
    assert desk.checks() == 4


# The whole


def test_the_default_observer_counts_nothing(desk: Desk) -> None:
    verifier = with_issuers(desk, desk.issuers)
    assert isinstance(verifier.verify_now(token(exp=WALL + 7200), NOW), Verified)
    assert desk.observer.checks == Counts().checks


def test_a_token_beyond_the_limit_is_not_even_hashed() -> None:
    desk = Desk(limits=Limits(max_token_bytes=512))
    assert desk.code(token(filler="x" * 600)) is Code.TOO_LARGE
    assert desk.cache.misses == 0
