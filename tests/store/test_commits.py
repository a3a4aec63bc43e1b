from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.proxy import Proxy

from bearerd.config import model
from bearerd.errors import StoreError
from bearerd.store import client as clients
from bearerd.store.commits import Commits
from bearerd.store.server import Durability

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.valkey import Valkey

    from bearerd.store.client import Link


class Counted(Durability):
    """Waits as long as it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(fsync=True)
        object.__setattr__(self, "asked", [])
        object.__setattr__(self, "go", asyncio.Event())

    async def reached(self, link: Link, seconds: float) -> str:
        self.asked.append(link)  # type: ignore[attr-defined]
        await self.go.wait()  # type: ignore[attr-defined]
        return await super().reached(link, seconds)


@pytest.fixture
async def client(shared_server: Valkey) -> AsyncIterator[clients.Client]:
    client = clients.connect(model.Store(url=shared_server.url), timeout=5)
    yield client
    await client.close()


def push(text: str) -> Any:
    async def append(link: Link) -> Any:
        return await link.call("RPUSH", "commits", text)

    return append


async def test_writes_share_their_waits_once_all_that_may_wait_do(client: clients.Client) -> None:
    durability = Counted()
    commits = Commits(client, durability, 5.0)
    done = [await commits.write(push(f"{number}")) for number in range(40)]
    await asyncio.sleep(0)
    durability.go.set()  # type: ignore[attr-defined]
    assert [await task for _, task in done] == ["fsync"] * 40
    assert len(set(durability.asked)) < 10  # type: ignore[attr-defined]


async def test_each_wait_is_on_the_connection_of_its_writes(client: clients.Client) -> None:
    durability = Counted()
    durability.go.set()  # type: ignore[attr-defined]
    commits = Commits(client, durability, 5.0)
    used: list[Link] = []

    async def append(link: Link) -> None:
        used.append(link)
        await link.call("RPUSH", "commits", "x")

    for _ in range(10):
        _, task = await commits.write(append)
        await task
    assert set(used) == set(durability.asked)  # type: ignore[attr-defined]


async def test_a_write_that_fails_does_not_hold_up_the_next(client: clients.Client) -> None:
    commits = Commits(client, Durability(fsync=True), 5.0)

    async def append(link: Link) -> None:
        await link.call("NONSENSE")

    with pytest.raises(StoreError, match="unknown command"):
        await commits.write(append)
    _, task = await commits.write(push("x"))
    assert await task == "fsync"


async def test_a_dead_connection_is_replaced(shared_server: Valkey) -> None:
    async with Proxy(shared_server.port) as proxy:
        client = clients.connect(model.Store(url=proxy.url), timeout=1)
        durability = Counted()
        commits = Commits(client, durability, 5.0)
        used: list[Link] = []

        async def append(link: Link) -> None:
            used.append(link)
            await link.call("RPUSH", "commits", "x")

        await commits.write(append)
        await used[0].close()
        durability.go.set()  # type: ignore[attr-defined]
        _, task = await commits.write(append)
        assert await task == "fsync"
        assert used[0] is not used[1]
        await client.close()


async def test_a_write_does_not_wait_for_its_turn_for_ever(client: clients.Client) -> None:
    commits = Commits(client, Durability(), 0.05)
    stuck = asyncio.Event()

    async def append(link: Link) -> None:
        await stuck.wait()

    first = asyncio.create_task(commits.write(append))
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="too slow"):
        await commits.write(push("x"))
    stuck.set()
    await first
    await (await commits.write(push("y")))[1]
