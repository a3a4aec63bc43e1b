"""The fleet's sharing over a real Valkey: the same claims as ``test_fleet``, where leases run out by a server's clock."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from support.issuer import JWKS, Answer, Gate, ScriptedIssuer, until
from support.keepers import Worker, running, table
from support.valkey import running as valkey

from bearerd.config import model
from bearerd.issuers.keyset import Origin
from bearerd.jws.keys import Key
from bearerd.refusals import Code, Refusal
from bearerd.store import client as clients
from bearerd.store.keysets import Shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bearerd.issuers.shared import SharedKeySets


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@contextlib.asynccontextmanager
async def members(url: str, server: ScriptedIssuer, number: int, **settings: object) -> AsyncIterator[list[Worker]]:
    """Workers of a fleet of the test's own, each with its own connections."""
    store = model.Store(url=url, fleet=f"fleet-{server.port}")
    async with contextlib.AsyncExitStack() as stack:
        workers = []
        for _ in range(number):
            client = clients.connect(store)
            stack.push_async_callback(client.close)
            shared: SharedKeySets = Shared(client)
            workers.append(Worker(table(server, **settings), fleet=shared))
        yield workers


async def test_one_fetch_serves_the_fleet_and_whoever_joins_it_later(url: str) -> None:
    async with ScriptedIssuer() as server, members(url, server, 4) as (late, *workers):
        found = await asyncio.gather(*(worker.resolve(server.issuer) for worker in workers))
        assert all(isinstance(key, Key) for key in found)
        await late.refresher.load()
        assert isinstance(late.select(server.issuer), Key)
        assert late.only().key_set is not None
        assert late.only().key_set.origin is Origin.STORE
        assert server.count() == 1


async def test_unknown_kids_cause_one_fetch_a_cool_down_over_all_workers(url: str) -> None:
    async with ScriptedIssuer() as server, members(url, server, 3, unknown_kid_cooldown=600.0) as workers:
        await asyncio.gather(*(worker.resolve(server.issuer) for worker in workers))
        tries = [worker.resolve(server.issuer, f"made up {number}") for worker in workers for number in range(10)]
        for refusal in await asyncio.gather(*tries):
            assert isinstance(refusal, Refusal)
            assert refusal.code is Code.UNKNOWN_KEY
        assert server.count() == 2


async def test_a_rotation_seen_by_one_serves_all_with_one_fetch_and_what_is_gone_is_gone_everywhere(url: str) -> None:
    async with ScriptedIssuer() as server, members(url, server, 3, unknown_kid_cooldown=600.0) as workers:
        async with running(*workers):
            await until(lambda: all(worker.only().key_set for worker in workers))
            server.rotate("second", overlap=False)
            gate = Gate(Answer(server.jwks()))
            server.on(JWKS, gate)
            waiting = [asyncio.create_task(worker.resolve(server.issuer, "second")) for worker in workers]
            await gate.entered.wait()
            gate.open.set()
            assert all(isinstance(key, Key) for key in await asyncio.gather(*waiting))
            assert not any(isinstance(worker.select(server.issuer, "first"), Key) for worker in workers)
        assert server.count() == 2


async def test_a_background_refresh_is_one_of_the_fleets_and_not_one_a_worker(url: str) -> None:
    async with ScriptedIssuer() as server, members(url, server, 4, key_set_refresh=0.5) as workers, running(*workers):
        await until(lambda: all(len(worker.witness.hashes) >= 4 for worker in workers))
        assert server.count() < 10  # each for itself, they would have asked sixteen times
