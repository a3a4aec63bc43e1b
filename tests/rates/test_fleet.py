"""The fleet's budgets in a real store, and what becomes of calls when it does not answer."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.policies import NOW, asked, resource, verified
from support.valkey import Valkey, running

from bearerd.config import model
from bearerd.errors import StoreError
from bearerd.mcp.operation import Operation
from bearerd.policy.terms import Budget
from bearerd.rates.buckets import Key
from bearerd.rates.fleet import AT_ONCE, Ask, Fleet
from bearerd.rates.settler import Rates
from bearerd.refusals import Code, Refusal
from bearerd.store import client as clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bearerd.policy.resource import Rule

_numbers = itertools.count()
SLOW = 1 / 86_400  # one a day: whatever passes was in the burst


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def client(shared_server: Valkey) -> AsyncIterator[clients.Client]:
    client = clients.connect(model.Store(url=shared_server.url, fleet=f"fleet-{next(_numbers)}"), timeout=5)
    yield client
    await client.close()


def key(who: str = "alice") -> Key:
    return Key("rule", ("https://issuer.example", "sub", who), "")


def settling(rates: Rates, budget: Budget, who: str = "alice", tool: str | None = None) -> Any:
    made = resource({"path": "/a", "rate": "1/s"})
    rule: Rule = replace(made.rules[0], rate=budget)
    request = asked()
    if tool is not None:
        request = request._replace(operation=Operation("tools/call", tool, "body"))
    return rates.settle(made, rule, request, verified(subject=who), NOW)


async def until(rates: Rates) -> None:
    while rates._fleet is None:
        await asyncio.sleep(0)


async def test_an_exact_budget_is_one_for_all_who_ask_at_once(client: clients.Client) -> None:
    fleets = [Fleet(client), Fleet(client)]
    budget = Budget("rule", SLOW, 25.0, exact=True)
    found = await asyncio.gather(*(fleets[number % 2].take(Ask(key(), budget, only_if=True)) for number in range(600)))
    assert sum(held.taken for held in found) == 25
    assert (await fleets[0].take(Ask(key("bob"), budget, only_if=True))).taken


async def test_what_is_told_counts_although_there_is_too_little_and_is_paid_back(client: clients.Client) -> None:
    fleet, budget = Fleet(client), Budget("rule", SLOW, 5.0)
    (held,) = await fleet.tell([Ask(key(), budget, spent=12)])
    assert held.level == pytest.approx(-7.0, abs=1e-3)
    (held,) = await fleet.tell([Ask(key(), budget, only_if=True)])
    assert (held.taken, held.level) == (False, pytest.approx(-7.0, abs=1e-2))


async def test_a_budget_is_forgotten_once_it_is_full_and_holds_no_name(
    client: clients.Client, shared_server: Valkey
) -> None:
    await Fleet(client).tell([Ask(key(), Budget("rule", 2.0, 10.0), spent=4)])
    names = list(shared_server.call("KEYS", client.names.prefix + "*"))
    assert len(names) == 1
    assert b"alice" not in names[0]
    assert 0 < shared_server.call("PTTL", names[0]) <= 3000


async def test_one_script_tells_of_many(client: clients.Client) -> None:
    budget = Budget("rule", SLOW, 5.0)
    asks = [Ask(key(str(number)), budget, spent=number % 3) for number in range(AT_ONCE)]
    assert [round(held.level) for held in await Fleet(client).tell(asks)] == [
        5 - number % 3 for number in range(AT_ONCE)
    ]


async def test_processes_learn_of_each_other_what_was_spent(client: clients.Client) -> None:
    one, other = Rates(100, 100, lambda: NOW.boot), Rates(100, 100, lambda: NOW.boot)
    fleet, budget = Fleet(client), Budget("rule", SLOW, 10.0)
    for rates, calls in ((one, 6), (other, 3)):
        assert [await settling(rates, budget) for _ in range(calls)] == [None] * calls
        await rates.share(fleet)
    assert [await settling(other, budget) is None for _ in range(2)] == [True, False], "6 and 4 are 10"
    await other.share(fleet)
    assert await settling(one, budget) is None, "it does not know yet"
    await one.share(fleet)
    refusal = await settling(one, budget)
    assert refusal.code is Code.RATE_LIMITED
    assert refusal.retry_after == 86_400


async def test_a_settler_asks_the_store_only_where_a_budget_is_exact(client: clients.Client) -> None:
    rates = Rates(100, 100)
    loop = asyncio.create_task(rates.follow(client))
    await until(rates)
    exact = Budget("rule", SLOW, 2.0, exact=True)
    assert [await settling(rates, exact) is None for _ in range(3)] == [True, True, False]
    assert [await settling(rates, exact, tool="a") is None for _ in range(3)] == [True, True, False]
    assert await settling(rates, exact, "bob") is None
    assert len(rates.buckets) == 0
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert (await settling(rates, exact, "carol")).code is Code.STALE_STATE


class Silent:
    """A store that answers nobody, or nonsense."""

    timeout = 3600.0

    def __init__(self, names: Any, answer: Any = None) -> None:
        self.names, self.answer = names, answer

    async def run(self, *_: object) -> Any:
        if self.answer is None:
            raise StoreError("the store gave no answer")
        return self.answer


async def test_without_the_store_an_exact_budget_refuses_unless_told_otherwise(client: clients.Client) -> None:
    rates = Rates(100, 100, lambda: NOW.boot)
    rates._fleet = Fleet(Silent(client.names))  # type: ignore[arg-type]
    exact = Budget("rule", SLOW, 2.0, exact=True)
    assert (await settling(rates, exact)).code is Code.STALE_STATE
    local = exact._replace(local=True)
    assert [await settling(rates, local) is None for _ in range(3)] == [True, True, False]
    assert [await settling(rates, exact._replace(exact=False), "bob") is None for _ in range(3)] == [True, True, False]
    await rates.share(rates._fleet)
    assert sum(spent for _, _, spent in rates.buckets.unsaid(10)) == 4, "what the store did not take is told later"


@pytest.mark.parametrize("answer", [[], [b"1"], [b"1", b"x"], [b"1", b"nan"], [b"1", b"1", b"1", b"1"], 7])
async def test_nonsense_from_the_store_is_no_budget(client: clients.Client, answer: Any) -> None:
    with pytest.raises(StoreError):
        await Fleet(Silent(client.names, answer)).take(Ask(key(), Budget("rule", 1.0, 1.0), only_if=True))  # type: ignore[arg-type]


async def test_whoever_waits_is_refused_when_the_service_ends_and_too_many_are_at_once(client: clients.Client) -> None:
    class Never(Silent):
        async def run(self, *_: object) -> Any:
            await asyncio.Event().wait()

    rates = Rates(100, 1)
    fleet = rates._fleet = Fleet(Never(client.names))  # type: ignore[arg-type]
    exact = Budget("rule", 1.0, 5.0, exact=True)
    first = asyncio.create_task(settling(rates, exact))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(settling(rates, exact))
    await asyncio.sleep(0)
    assert (await settling(rates, exact)).code is Code.OVERLOADED
    await fleet.close()
    for refused in (await first, await second):
        assert isinstance(refused, Refusal)
        assert refused.code is Code.STALE_STATE


async def test_where_there_is_no_room_it_is_said_and_where_there_is_no_rate_nothing_is(client: clients.Client) -> None:
    rates = Rates(1, 1, lambda: NOW.boot)
    assert await settling(rates, Budget("rule", SLOW, 1.0)) is None
    assert (await settling(rates, Budget("rule", SLOW, 1.0), "bob")).code is Code.OVERLOADED
    made = resource({"path": "/a"})
    assert await rates.settle(made, made.rules[0], asked(), verified(), NOW) is None


async def test_whoever_has_no_subject_pays_as_the_client(client: clients.Client) -> None:
    rates, one = Rates(9, 9, lambda: NOW.boot), Budget("rule", SLOW, 1.0)
    made = resource({"path": "/a", "rate": "1/s"})
    rule = replace(made.rules[0], rate=one)
    asks = [verified(subject=None, client="app"), verified(subject="app"), verified(subject=None, client="app")]
    found = [await rates.settle(made, rule, asked(), who, NOW) is None for who in asks]
    assert found == [True, True, False]


class Hung:
    """A store that takes a question and says nothing until it is let."""

    timeout = 0.05

    def __init__(self, client: clients.Client) -> None:
        self.names = client.names
        self.asked = 0
        self.open = asyncio.Event()

    async def run(self, _: object, keys: Any, __: object) -> list[bytes]:
        self.asked += 1
        await self.open.wait()
        return [b"1", b"3"] * len(keys)


async def test_nobody_waits_for_longer_than_a_time_out_and_one_alone_while_the_store_is_away(
    client: clients.Client,
) -> None:
    """The link's own time-outs add up to more than gateways wait, and each crowd would wait for them anew."""
    hung: Any = Hung(client)
    fleet, ask = Fleet(hung), Ask(key(), Budget("rule", SLOW, 3.0), only_if=True)
    async with asyncio.timeout(60):
        with pytest.raises(StoreError, match="in time"):
            await fleet.take(ask)
        hung.timeout = 3600.0  # whoever waited now would wait for ever
        with pytest.raises(StoreError, match="a moment ago"):
            await fleet.take(ask)
    assert hung.asked == 1
    hung.open.set()
    async with asyncio.timeout(60):
        while fleet._task is not None and not fleet._task.done():
            await asyncio.sleep(0)
    assert (await fleet.take(ask)).taken
    assert hung.asked == 2
    await fleet.close()


async def test_those_who_stand_behind_a_question_that_failed_are_told_with_it(client: clients.Client) -> None:
    hung: Any = Hung(client)
    hung.timeout = 3600.0

    async def cut(_: object, keys: Any, __: object) -> list[bytes]:
        hung.asked += 1
        await hung.open.wait()
        raise StoreError("cut")

    hung.run = cut
    fleet, ask = Fleet(hung), Ask(key(), Budget("rule", SLOW, 3.0), only_if=True)
    first = asyncio.create_task(fleet.take(ask))
    while not hung.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(fleet.take(ask))
    while not fleet.waiting:
        await asyncio.sleep(0)
    hung.open.set()
    for waiting in (first, second):
        with pytest.raises(StoreError, match="cut"):
            await waiting
    assert hung.asked == 1


async def test_what_nobody_waits_for_any_more_is_not_spent(client: clients.Client) -> None:
    """Whoever was refused meanwhile asks again, and would pay twice."""
    hung: Any = Hung(client)
    fleet, budget = Fleet(hung), Budget("rule", SLOW, 3.0)
    hung.timeout = 3600.0
    first = asyncio.create_task(fleet.take(Ask(key(), budget, only_if=True)))
    while not hung.asked:
        await asyncio.sleep(0)
    hung.timeout = 0.05
    with pytest.raises(StoreError, match="in time"):
        await fleet.take(Ask(key("bob"), budget, only_if=True))
    hung.open.set()
    assert (await first).taken
    while fleet._task is not None and not fleet._task.done():
        await asyncio.sleep(0)
    assert (hung.asked, fleet.waiting) == (1, 0)
    await fleet.close()
