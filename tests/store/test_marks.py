"""Changed tools in the store: what one worker tells, the others know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bearerd.config import model
from bearerd.store import client as clients
from bearerd.store.marks import LIFE, Marks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.valkey import Valkey


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
