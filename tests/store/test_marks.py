"""Changed tools in the store: what one worker tells, the others know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.fleet import until
from support.mcp_server import ADD, DROP

from bearerd.config import model
from bearerd.mcp import reviewed as reviews
from bearerd.mcp.listing import tools_of
from bearerd.reviews import Reviews
from bearerd.store import client as clients
from bearerd.store.marks import LIFE, Marks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.valkey import Valkey


def review(*tools: dict[str, Any]) -> reviews.Review:
    return reviews.read(orjson.dumps({"tools": list(tools)}))


@pytest.fixture
async def client(shared_server: Valkey, fleet: str) -> AsyncIterator[clients.Client]:
    client = clients.connect(model.Store(url=shared_server.url, fleet=fleet), timeout=5)
    yield client
    await client.close()


async def test_what_one_tells_another_knows_of_that_review_and_no_other(client: clients.Client) -> None:
    one, other = Marks(client), Marks(client)
    assert await other.known("aa") == {}
    await one.tell("aa", {"add": "1" * 64, "lösche": "2" * 64})
    await one.tell("aa", {"add": "3" * 64})
    assert await other.known("aa") == {"add": "3" * 64, "lösche": "2" * 64}
    assert await other.known("bb") == {}
    left = await client.call("PTTL", client.names.marks("aa"))
    assert 0 < left <= LIFE


async def test_what_nobody_of_ours_wrote_is_passed_over(client: clients.Client) -> None:
    await client.call("HSET", client.names.marks("aa"), b"\xff", b"1", b"add", b"\xff", b"drop", b"2")
    assert await Marks(client).known("aa") == {"drop": "2"}


async def test_what_one_worker_sees_all_of_the_fleet_deny(client: clients.Client) -> None:
    reviewed = review(ADD, DROP)
    given = model.Config(reviewed={"api": reviewed})
    said: list[str] = []
    one, other = Reviews(lambda: said.append("one")), Reviews(lambda: said.append("other"))
    for each in (one, other):
        each.follow_those_of(given)
    loops = [asyncio.ensure_future(each.follow(client)) for each in (one, other)]
    one.see("api", tools_of({"tools": [ADD | {"title": "another"}]}) or ())
    await until(lambda: "other" in said)
    assert set(other.reduced(given).reviewed["api"].tools) == {"drop"}
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
