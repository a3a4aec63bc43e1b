"""The one way to a decision: a known token waits for nobody, and nothing that fails ends as an allow."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, ISS, House, config, issuer, key, token

from bearerd import metrics
from bearerd import request as view
from bearerd.decision import Decision, Pending, Wait
from bearerd.errors import StoreError
from bearerd.flow import ROUNDS, Flow
from bearerd.policy import decide
from bearerd.refusals import Code, Refusal
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.request import Request
    from bearerd.service import Service


def asked(credential: str | None, target: bytes = b"/orders/1", **more: Any) -> Request:
    headers = [(b"Authorization", b"Bearer " + credential.encode())] if credential is not None else []
    return view.of("GET", target, headers=headers, **({"trusted": True} | more))


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return House(config(tmp_path, resource={"api": {"identifier": API}}), tmp_path).service


def step(coroutine: Any) -> Any:
    """Run a coroutine to its end without a loop: it must not wait even once."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def test_a_known_token_waits_for_nobody(service: Service) -> None:
    flow, request = Flow(service), asked(token())
    for _ in range(2):  # a new token with a known key, then a known token
        decision = step(flow.decide("api", request))
        assert decision.allowed
    assert (service.cache.misses, service.cache.hits) == (1, 1)


@pytest.mark.parametrize("credential", [None, "rubbish", "expired"])
def test_neither_does_a_refusal(service: Service, credential: str | None) -> None:
    now = int(time.time())
    given = token(iat=now - 900, exp=now - 600) if credential == "expired" else credential
    assert not step(Flow(service).decide("api", asked(given))).allowed


def test_without_waiting_the_same_is_decided_and_counted(service: Service) -> None:
    flow = Flow(service)
    decision = flow.decide_now("api", asked(token()))
    assert isinstance(decision, Decision)
    assert decision.allowed
    decided = flow.run_now("api", asked(token()), face="python")
    assert not isinstance(decided, Pending)
    assert replace(decided.decision, reuse=None) == replace(decision, reuse=None)
    assert decided.request_id == ""
    found = metrics.gather([service.metrics.buffer])
    assert found[("bearerd_decisions_total", "api", "python", "allow", "none")] == (1.0,)


def test_a_resource_that_is_not_there_is_refused(service: Service) -> None:
    decision = step(Flow(service).decide("other", asked(token())))
    assert decision.code is Code.UNKNOWN_RESOURCE


async def remote(tmp_path: Path) -> Service:
    """A service whose issuer's keys are nowhere yet."""
    nowhere = issuer(jwks=None, jwks_uri="http://127.0.0.1:1/jwks", insecure_issuer=True)
    return House(config(tmp_path, issuer=[nowhere], resource={"api": {"identifier": API}}), tmp_path).service


async def test_a_key_that_is_lacking_is_pending_and_uncounted(tmp_path: Path) -> None:
    flow = Flow(await remote(tmp_path))
    assert flow.decide_now("api", asked(token())) == Pending(Wait.KEY, ISS, None)
    assert isinstance(flow.run_now("api", asked(token()), face="python"), Pending)


async def test_it_is_waited_for_once_for_all_and_then_decided(tmp_path: Path) -> None:
    service = await remote(tmp_path)
    gate, asked_for = asyncio.Event(), []

    async def resolve(pending: Pending) -> None:
        asked_for.append(pending)
        await gate.wait()
        made = config(tmp_path, issuer=[issuer()])
        await service.reload(made.model_copy(update={"resource": service.current.config.resource}))

    service.flights._resolve = resolve
    flow = Flow(service)
    waiting = [asyncio.create_task(flow.decide("api", asked(token(jti=str(number))))) for number in range(5)]
    while service.flights.waiting < 5:
        await asyncio.sleep(0)
    gate.set()
    assert all([(await one).allowed for one in waiting])
    assert len(asked_for) == 1


async def test_waiting_ends(tmp_path: Path) -> None:
    service = await remote(tmp_path)
    rounds = 0

    async def resolve(pending: Pending) -> None:
        nonlocal rounds
        rounds += 1

    service.flights._resolve = resolve
    flow = Flow(service)
    decision = await flow.decide("api", asked(token()))
    assert (decision.code, decision.status, rounds) == (Code.OVERLOADED, 503, ROUNDS)
    found = await flow.verify(token().encode())
    assert isinstance(found, Refusal)
    assert found.code is Code.OVERLOADED


async def test_patience_is_for_all_rounds_and_for_keys_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await remote(tmp_path)
    waited: list[float | None] = []

    async def wait(pending: Pending, patience: float | None) -> None:
        waited.append(patience)

    monkeypatch.setattr(service.flights, "wait", wait)
    flow = Flow(service)
    await flow.run("api", asked(token()), face="python", patience=60.0)
    await flow.run("api", asked(token()), face="python")
    monkeypatch.setattr(flow, "_judged", lambda *_, **__: Pending(Wait.TURN))
    await flow.run("api", asked(token()), face="python", patience=60.0)
    first, second, third, *rest = waited
    assert 60.0 >= first >= second >= third > 0
    assert rest == [None] * 2 * ROUNDS


async def test_what_the_wait_comes_to_is_the_refusal(tmp_path: Path) -> None:
    service = await remote(tmp_path)

    async def resolve(pending: Pending) -> None:
        raise StoreError("away")

    service.flights._resolve = resolve
    flow = Flow(service)
    decision = await flow.decide("api", asked(token()))
    assert (decision.code, decision.detail) == (Code.STALE_STATE, "away")
    assert await flow.verify(token().encode()) == Refusal(Code.STALE_STATE, "away")


async def test_a_request_that_is_cancelled_is_no_decision(tmp_path: Path) -> None:
    service = await remote(tmp_path)
    never = asyncio.Event()

    async def resolve(pending: Pending) -> None:
        await never.wait()

    service.flights._resolve = resolve
    waiting = asyncio.create_task(Flow(service).decide("api", asked(token())))
    while not service.flights.waiting:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert service.flights.waiting == 0
    await service.flights.close()


FAULTS = {
    "policy.rules.select_rule": ("bearerd.policy.rules", "select_rule"),
    "verifier": ("bearerd.verify.verifier", "TokenVerifier.verify_now"),
    "policy.decide.decide_now": ("bearerd.policy.decide", "decide_now"),
    "request.bearer_token": ("bearerd.request", "bearer_token"),
    "flow.steps": ("bearerd.flow", "steps"),
}


@pytest.mark.parametrize("where", FAULTS)
def test_a_fault_anywhere_is_a_refusal(
    service: Service, monkeypatch: pytest.MonkeyPatch, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(".".join(FAULTS[where]), fail)
    credential = "rubbish" if where == "flow.steps" else token()
    decision = step(Flow(service).decide("api", asked(credential)))
    assert (decision.allowed, decision.code, decision.status) == (False, Code.INTERNAL_ERROR, 503)
    now = Flow(service).run_now("api", asked(credential), face="python")
    assert not isinstance(now, Pending)
    assert now.decision.code is Code.INTERNAL_ERROR
    assert "canary" not in str(decision)


def test_a_fault_that_carries_a_refusal_is_that_refusal(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise StoreError("away")

    monkeypatch.setattr("bearerd.policy.rules.select_rule", fail)
    assert step(Flow(service).decide("api", asked(token()))).code is Code.STALE_STATE


def test_even_a_policy_that_cannot_refuse_allows_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(decide, "refused", fail)
    monkeypatch.setattr(decide, "decide_now", fail)
    decision = step(Flow(service).decide("api", asked(token())))
    assert (decision.allowed, decision.code, decision.status) == (False, Code.INTERNAL_ERROR, 503)


def test_an_open_rule_looks_at_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config(tmp_path, resource={"api": {"identifier": API, "rule": [{"path": "/health", "auth": "none"}]}})
    service = House(made, tmp_path, fresh=False).service
    monkeypatch.setattr(type(service.current.verifier), "verify_now", lambda *args: pytest.fail("it was looked at"))
    assert step(Flow(service).decide("api", asked(token(), b"/health"))).allowed


async def test_a_reload_counts_from_the_next_decision_on(tmp_path: Path, service: Service) -> None:
    flow, request = Flow(service), asked(token())
    assert step(flow.decide("api", request)).allowed
    stricter = config(tmp_path, resource={"api": {"identifier": API, "scopes": ["admin"]}})
    await service.reload(stricter)
    assert step(flow.decide("api", request)).code is Code.INSUFFICIENT_SCOPE
    other = config(tmp_path, resource={"api": {"identifier": API}}, issuer=[issuer(jwks={"keys": [key(1)]})])
    await service.reload(other)
    assert step(flow.decide("api", request)).code is Code.BAD_SIGNATURE


async def test_a_token_alone_is_verified_for_callers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(service)
    assert isinstance(await flow.verify(token().encode()), Verified)
    assert isinstance(await flow.verify(token().encode(), to_revoke=True), Verified)
    refusal = await flow.verify(b"rubbish")
    assert isinstance(refusal, Refusal)
    monkeypatch.setattr(type(service.current.verifier), "verify_now", lambda *args: 1 // 0)
    failed = await flow.verify(token().encode())
    assert isinstance(failed, Refusal)
    assert failed.code is Code.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("rules", "target", "credential", "expected"),
    [
        ((), b"/", None, [("rule", True), ("token", False), ("decision", False)]),
        ([{"path": "/a/**"}], b"/a/1", None, [("rule", True), ("token", False), ("decision", False)]),
        ([{"path": "/a/**"}], b"/b", "good", [("rule", False), ("token", True), ("decision", False)]),
        ([{"path": "/a/**", "roles": ["x"]}], b"/a/1", "good", [("rule", True), ("token", True), ("decision", False)]),
        ([{"path": "/a/**"}], b"/a/../b", "good", [("rule", False), ("decision", False)]),
        ([{"path": "/a/**"}], b"/a/1", "rubbish", [("rule", True), ("token", False), ("decision", False)]),
    ],
)
def test_a_refusal_can_be_looked_up_step_by_step(
    tmp_path: Path, rules: Any, target: bytes, credential: str | None, expected: list[tuple[str, bool]]
) -> None:
    service = House(config(tmp_path, resource={"api": {"identifier": API, "rule": rules}}), tmp_path).service
    given = token() if credential == "good" else credential
    decided = step(Flow(service).run("api", asked(given, target), face="python"))
    entry = service.recorder.ring.find(decided.request_id)
    assert entry is not None
    assert [(told["step"], told["ok"]) for told in entry["steps"]] == [("resource", True), *expected]
