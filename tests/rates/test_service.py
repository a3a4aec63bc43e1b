"""``rate`` in a service: whoever asks is told when to come again, nobody keeps the answer, and ``explain`` spends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, token
from support.wire import Wire

from bearerd import request as view
from bearerd.explain import explain
from bearerd.flow import Flow
from bearerd.refusals import Code

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.request import Request


def made(tmp_path: Path, rate: Any, **table: Any) -> House:
    told = {"identifier": API, "gateway": ["forwarded"], "rule": [{"path": "/orders/*", "rate": rate}, {"path": "/**"}]}
    return House(config(tmp_path, resource={"api": told | table}), tmp_path, lane=True)


def asked(target: bytes = b"/orders/1", sub: str = "alice", **claims: Any) -> Request:
    headers = [(b"Authorization", b"Bearer " + token(sub=sub, **claims).encode())]
    return view.of("GET", target, headers=headers, trusted=True)


async def test_beyond_the_burst_it_is_429_for_this_principal_under_this_rule(tmp_path: Path) -> None:
    flow = Flow(made(tmp_path, {"limit": "6/h", "burst": 3}).service)
    found = [await flow.decide("api", asked(jti=f"t{number}")) for number in range(5)]
    assert [decision.code for decision in found] == [None] * 3 + [Code.RATE_LIMITED] * 2
    assert (found[-1].status, found[-1].rule) == (429, 0)
    assert 500 < (found[-1].retry_after or 0) <= 600
    assert all(decision.reuse is None for decision in found)
    assert (await flow.decide("api", asked(sub="bob"))).allowed
    assert (await flow.decide("api", asked(b"/else"))).allowed


async def test_what_is_refused_anyway_spends_nothing(tmp_path: Path) -> None:
    flow = Flow(made(tmp_path, "1/d", scopes=["read"]).service)
    for _ in range(3):
        assert (await flow.decide("api", asked(scope="other"))).code is Code.INSUFFICIENT_SCOPE
    assert (await flow.decide("api", asked())).allowed


async def test_a_reload_that_leaves_the_rule_leaves_its_budgets(tmp_path: Path) -> None:
    house = made(tmp_path, "1/d")
    flow = Flow(house.service)
    assert (await flow.decide("api", asked())).allowed
    await house.service.reload(made(tmp_path, "1/d", scopes=["read"]).service.current.config)
    assert (await flow.decide("api", asked())).code is Code.RATE_LIMITED
    await house.service.reload(made(tmp_path, "2/d").service.current.config)
    assert (await flow.decide("api", asked())).allowed


async def test_without_the_store_an_exact_budget_is_503_and_a_local_one_is_counted(tmp_path: Path) -> None:
    exact = Flow(made(tmp_path, {"limit": "1/d", "exact": True}).service)
    refused = await exact.decide("api", asked())
    assert (refused.code, refused.status, refused.retry_after) == (Code.STALE_STATE, 503, 1)
    local = Flow(made(tmp_path, {"limit": "1/d", "exact": True, "unreachable": "local"}).service)
    assert [(await local.decide("api", asked())).allowed for _ in range(2)] == [True, False]


async def test_a_shadow_resource_counts_what_it_would_refuse(tmp_path: Path) -> None:
    flow = Flow(made(tmp_path, "1/d", enforce="shadow").service)
    found = [await flow.decide("api", asked()) for _ in range(2)]
    assert [decision.allowed for decision in found] == [True, True]
    assert [one.code for one in found[1].would_refuse] == [Code.RATE_LIMITED]


async def test_to_explain_spends_nothing(tmp_path: Path) -> None:
    service = made(tmp_path, "1/d").service
    for _ in range(3):
        assert (await explain(service, token().encode(), "api", "GET", "/orders/1")).decision.allowed
    assert (await Flow(service).decide("api", asked())).allowed


@pytest.mark.parametrize("known", [False, True])
async def test_in_the_lane_no_answer_stands_ready_and_no_gateway_keeps_one(tmp_path: Path, known: bool) -> None:
    async with made(tmp_path, {"limit": "6/h", "burst": 2}, cacheable_for="10s") as house:
        wire = await Wire.to(house.lane_port)
        bearer = ("Authorization", f"Bearer {token()}")

        async def ask(target: str) -> Any:
            return await wire.ask("/auth/api", bearer, ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", target))

        if known:
            assert (await ask("/else")).status == 200
        found = [await ask("/orders/1") for _ in range(4)]
        assert [reply.status for reply in found] == [200, 200, 429, 429]
        assert all(reply["Cache-Control"] == "no-store" for reply in found)
        assert 500 < int(found[-1]["Retry-After"]) <= 600
        assert (await ask("/else")).status == 200
        await wire.close()
