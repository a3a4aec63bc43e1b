"""What is settled after a decision: only an allow comes to it, in order, and nothing that fails there ends as an allow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, token

from bearerd import request as view
from bearerd.decision import Pending, Wait
from bearerd.flow import Flow
from bearerd.policy.resource import Rule
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.request import Request
    from bearerd.service import Service


class Toll:
    """Says what it was told to say, and whom it was asked about."""

    def __init__(self, answer: Refusal | Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[str | None] = []

    async def settle(
        self, resource: object, rule: Rule, request: Request, verified: Any, now: object
    ) -> Refusal | None:
        self.asked.append(verified.subject)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(Rule, "settles", True)
    table = {"identifier": API, "rule": [{"path": "/orders/*", "scopes": ["orders"]}]}
    return House(config(tmp_path, resource={"api": table}), tmp_path).service


def asked(scope: str = "orders", **claims: Any) -> Request:
    headers = [(b"Authorization", b"Bearer " + token(scope=scope, **claims).encode())]
    return view.of("GET", b"/orders/1", headers=headers, trusted=True)


async def test_an_allow_passes_once_everybody_has_had_a_say(service: Service) -> None:
    service.settlers = first, second = Toll(), Toll()
    assert (await Flow(service).decide("api", asked(sub="alice"))).allowed
    assert first.asked == second.asked == ["alice"]


async def test_the_first_no_ends_it_and_spends_nothing_of_the_next(service: Service) -> None:
    service.settlers = first, second = Toll(Refusal(Code.RATE_LIMITED, retry_after=7)), Toll()
    decision = await Flow(service).decide("api", asked())
    assert (decision.code, decision.retry_after, decision.rule) == (Code.RATE_LIMITED, 7, 0)
    assert (len(first.asked), second.asked) == (1, [])


@pytest.mark.parametrize(
    "what", [{"scope": "other"}, {"exp": int(time.time()) - 600}, {"aud": "https://other.example"}]
)
async def test_what_is_refused_anyway_is_not_settled(service: Service, what: dict[str, Any]) -> None:
    service.settlers = (toll,) = (Toll(),)
    assert not (await Flow(service).decide("api", asked(**what))).allowed
    assert toll.asked == []


async def test_a_fault_on_the_way_is_a_refusal(service: Service) -> None:
    service.settlers = (Toll(ValueError("no")),)
    assert (await Flow(service).decide("api", asked())).code is Code.INTERNAL_ERROR


def test_who_cannot_wait_is_told_that_it_is_pending(service: Service) -> None:
    service.settlers = (toll,) = (Toll(),)
    assert Flow(service).run_now("api", asked(), face="python") == Pending(Wait.SETTLEMENT)
    assert toll.asked == []


async def test_no_answer_of_it_is_given_again(service: Service) -> None:
    service.settlers = (Toll(),)
    flow = Flow(service)
    assert [(await flow.decide("api", asked())).reuse for _ in range(2)] == [None, None]
    assert len(service.settlers[0].asked) == 2  # type: ignore[attr-defined]
