"""Clock steps and suspensions, through the whole service: no token lives past exp and leeway by either clock.

By injected clocks here; ``tests/system/test_clock_steps.py`` has the same with the machine's, where the build has the hook.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.asking import asked, step
from support.dial import HOUR, Dial, turning
from support.house import API, ISS, House, config, issuer, token

from bearerd import metrics
from bearerd._native.revocations import FOREVER, pack
from bearerd.decision import Pending
from bearerd.flow import Flow
from bearerd.issuers.keeper import Keeper
from bearerd.issuers.keyset import Origin, Validators
from bearerd.refusals import Code, Refusal
from bearerd.serve.hiring import Terms
from bearerd.service import Service
from bearerd.store import entries
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIFE, LEEWAY = 600, 30
KEYS = "https://issuer.example/keys"
RESOURCE = {"api": {"identifier": API}}


@pytest.fixture
def dial() -> Dial:
    return Dial()


@pytest.fixture
def service(tmp_path: Path, dial: Dial) -> Iterator[Service]:
    with turning(dial):
        service = House(config(tmp_path, resource=RESOURCE), tmp_path, fresh=False).service
    service.view.count(dial.boot)
    yield service


def given(dial: Dial, **claims: Any) -> str:
    return token(**{"iat": int(dial.wall), "exp": int(dial.wall) + LIFE} | claims)


def code(service: Service, credential: str, *, cold: bool = False) -> Code | None:
    """What becomes of it, with a view that is fresh."""
    if cold:
        service.cache.clear()
    service.view.count(service.time.now().boot)
    decision = step(Flow(service).decide("api", asked(credential)))
    assert decision.allowed == (decision.code is None)
    return decision.code


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("by", [-HOUR, -10.0, 0.0])
def test_a_clock_that_is_set_back_lengthens_no_life(service: Service, dial: Dial, by: float, cold: bool) -> None:
    known = given(dial)
    assert code(service, known) is None
    dial.step(by)
    for _ in range(LIFE + LEEWAY - 1):
        dial.run(1)
        service.time.review()
    assert code(service, known, cold=cold) is None  # it is exactly as long as before
    dial.run(1)
    for _ in range(60):
        assert code(service, known, cold=cold) is Code.EXPIRED
        dial.run(60)
        service.time.review()


@pytest.mark.parametrize("cold", [False, True])
def test_a_token_that_had_expired_is_not_revived(service: Service, dial: Dial, cold: bool) -> None:
    known, stranger = given(dial), given(dial, jti="t2")
    assert code(service, known) is None
    dial.run(LIFE + LEEWAY)
    assert code(service, known) is Code.EXPIRED
    dial.step(-HOUR)
    for _ in range(100):
        assert code(service, known, cold=cold) is Code.EXPIRED
        assert code(service, stranger, cold=cold) is Code.EXPIRED  # nor one that was not seen before
        dial.run(900)
        service.time.review()


@pytest.mark.parametrize("cold", [False, True])
def test_a_suspension_counts(service: Service, dial: Dial, cold: bool) -> None:
    known = given(dial)
    assert code(service, known) is None
    dial.run(LIFE + LEEWAY)
    assert code(service, known, cold=cold) is Code.EXPIRED


def test_a_suspension_counts_also_where_the_wall_clock_slept(service: Service, dial: Dial) -> None:
    known = given(dial)
    assert code(service, known) is None
    dial.boot += LIFE + LEEWAY
    assert code(service, known) is Code.EXPIRED
    assert code(service, known, cold=True) is Code.EXPIRED


@pytest.mark.parametrize("cold", [False, True])
def test_set_forward_a_token_is_expired_and_stays_so_when_the_clock_is_set_back(
    service: Service, dial: Dial, cold: bool
) -> None:
    known = given(dial)
    assert code(service, known) is None
    dial.step(HOUR)
    assert code(service, known, cold=cold) is Code.EXPIRED
    dial.step(-HOUR)
    assert code(service, known, cold=cold) is Code.EXPIRED


def test_a_clock_that_a_time_service_corrects_costs_nothing_but_a_moment(service: Service, dial: Dial) -> None:
    dial.step(HOUR)  # the machine began with it
    late = given(dial, iat=int(dial.wall - HOUR), exp=int(dial.wall - HOUR) + LIFE)
    service.time.review()
    assert code(service, late) is Code.EXPIRED
    dial.step(-HOUR)
    service.time.review()
    assert code(service, late) is Code.EXPIRED
    dial.kept = True
    service.time.review()
    assert code(service, late) is None


def test_a_token_that_was_good_stays_so_when_the_clock_is_set_back_known_or_not(service: Service, dial: Dial) -> None:
    known, stranger = given(dial, nbf=int(dial.wall)), given(dial, nbf=int(dial.wall), jti="t2")
    assert code(service, known) is None
    dial.step(-HOUR)
    assert code(service, known) is None
    assert code(service, stranger) is None
    assert code(service, known, cold=True) is None


def test_what_had_begun_by_a_clock_that_was_wrong_has_not_by_the_right_one_known_or_not(
    service: Service, dial: Dial
) -> None:
    dial.step(2 * HOUR)
    service.sample()
    early = given(dial, nbf=int(dial.wall))
    assert code(service, early) is None
    dial.step(-2 * HOUR)
    dial.kept = True
    service.sample()
    assert code(service, early) is Code.NOT_YET_VALID


def revoke(service: Service, value: str, ends: float) -> None:
    """Revoke a token until it ends, as an entry of the store arrives."""
    entry = pack(entries.key(entries.Kind.TOKEN, "https://issuer.example", value), FOREVER, int(ends), 1)
    assert service.view.table.apply(entry, service.time.forgetting()) == 1


def test_set_forward_for_an_hour_no_revocation_is_forgotten_that_is_needed_yet(service: Service, dial: Dial) -> None:
    known = given(dial)
    revoke(service, "t1", dial.wall + LIFE + LEEWAY)
    assert code(service, known) is Code.REVOKED
    dial.step(HOUR)
    assert code(service, known) is Code.EXPIRED
    service.view.table.expire(service.time.forgetting(), 1 << 20)
    revoke(service, "t2", dial.wall - HOUR + LIFE + LEEWAY)  # it arrives while the clock is wrong
    dial.step(-HOUR)
    dial.kept = True
    service.time.review()
    for cold in (False, True):
        assert code(service, known, cold=cold) is Code.REVOKED
        assert code(service, given(dial, jti="t2"), cold=cold) is Code.REVOKED
        assert code(service, given(dial, jti="t3"), cold=cold) is None


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_revocation_outlives_its_token_however_the_clock_is_set(service: Service, dial: Dial, by: float) -> None:
    known = given(dial, exp=int(dial.wall + 3 * HOUR))
    revoke(service, "t1", dial.wall + 3 * HOUR + LEEWAY)
    dial.step(by)
    for _ in range(50):
        assert code(service, known) in (Code.REVOKED, Code.EXPIRED)
        service.view.table.expire(service.time.forgetting(), 1 << 20)
        dial.run(600)
        service.time.review()
        if dial.boot % 3000 < 600:
            dial.step(-by)
            by = -by


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_the_age_of_the_view_is_none_of_the_wall_clocks_business(service: Service, dial: Dial, by: float) -> None:
    known = given(dial, exp=int(dial.wall + 8 * HOUR))
    before = service.view.age(service.time.now())
    dial.step(by)
    assert service.view.age(service.time.now()) == before
    dial.run(30)
    assert step(Flow(service).decide("api", asked(known))).allowed
    dial.run(1)
    assert step(Flow(service).decide("api", asked(known))).code is Code.STALE_STATE


async def test_a_token_that_may_be_good_yet_can_be_revoked_while_the_clock_is_ahead(
    service: Service, dial: Dial
) -> None:
    """Called expired, it would not be revoked; and the clock put right, it would be good."""
    known = given(dial).encode()
    dial.step(HOUR)
    found = await Flow(service).verify(known)
    assert isinstance(found, Refusal)
    assert isinstance(await Flow(service).verify(known, to_revoke=True), Verified)
    dial.run(LIFE + LEEWAY)
    assert isinstance(await Flow(service).verify(known, to_revoke=True), Refusal)


def remote(tmp_path: Path, dial: Dial) -> Service:
    """A service whose issuer's keys came over the network, just now."""
    made = config(tmp_path, resource=RESOURCE, issuer=[issuer(jwks=None, jwks_uri=KEYS)])
    with turning(dial):
        service = House(made, tmp_path, fresh=False).service
        (inline,) = House(config(tmp_path), tmp_path).service.current.issuers
    (kept,) = service.current.issuers
    assert inline.key_set is not None
    validators = Validators(KEYS, None, dial.wall, dial.wall + 300)
    kept.adopt(replace(inline.key_set, origin=Origin.NETWORK, validators=validators), service.time.now())
    return service


@pytest.mark.parametrize("cold", [False, True])
def test_keys_grow_old_however_the_clock_is_set(tmp_path: Path, dial: Dial, cold: bool) -> None:
    service = remote(tmp_path, dial)
    known = given(dial, exp=int(dial.wall + 25 * HOUR - 60))
    assert code(service, known) is None
    dial.run(71 * HOUR)
    known = given(dial, exp=int(dial.wall + 25 * HOUR - 60))
    assert code(service, known) is None
    dial.step(-12 * HOUR)
    dial.run(HOUR)
    assert not service.current.issuers.find(ISS).usable(service.time.now())  # type: ignore[union-attr]
    # It asks for a key, which is the one thing that it may do.
    if cold:
        service.cache.clear()
    assert isinstance(Flow(service).decide_now("api", asked(known)), Pending)


async def test_a_reload_makes_no_key_set_younger(tmp_path: Path, dial: Dial) -> None:
    service = remote(tmp_path, dial)
    (old,) = service.current.issuers
    dial.run(71 * HOUR)
    dial.step(-12 * HOUR)
    before = service.current.config
    changed = (before.issuer[0].model_copy(update={"leeway": 20.0}),)
    await service.reload(before.model_copy(update={"issuer": changed}))
    (new,) = service.current.issuers
    assert new is not old
    assert new.usable(service.time.now())
    dial.run(HOUR)
    assert not new.usable(service.time.now())


async def test_a_clock_that_is_set_back_puts_no_fetch_off(tmp_path: Path, dial: Dial) -> None:
    (kept,) = remote(tmp_path, dial).current.issuers
    keeper = Keeper(kept)
    assert 200 < keeper._due_in() < 300
    dial.step(-12 * HOUR)
    assert 200 < keeper._due_in() < 300
    dial.run(300)
    assert keeper._due_in() <= 0


def test_how_far_the_clock_lies_behind_is_shown(service: Service, dial: Dial) -> None:
    dial.step(-HOUR)
    service.sample()
    assert service.health()["clock_behind_seconds"] == HOUR
    found = metrics.gather([service.metrics.buffer])
    assert found[("bearerd_clock_behind_seconds",)] == (HOUR,)


def test_a_worker_that_starts_later_is_told_what_the_supervisor_has_seen(tmp_path: Path, dial: Dial) -> None:
    terms = Terms(config(tmp_path), tmp_path, store_is_ours=True, time=dial.keeper())
    dial.step(-HOUR)
    clocks = terms.orders(
        0, SimpleNamespace(descriptor=0), SimpleNamespace(slots=(), unix=(), reserved=(), approvals=(), dialects={})
    )["clocks"]  # type: ignore[arg-type]
    with turning(dial):
        service = Service(config(tmp_path), data_dir=tmp_path, seen=orjson.loads(orjson.dumps(clocks)))
    assert service.time.now().behind == HOUR
