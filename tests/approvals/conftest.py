from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from support.approvals_page import opened
from support.approving import client_of
from support.valkey import Valkey, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.approvals_page import Desk

    from bearerd.store.client import Client

_numbers = itertools.count()


@pytest.fixture(scope="session")
def approvals_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One real server for all of these tests; each is a fleet of its own."""
    with running(tmp_path_factory.mktemp("approvals")) as server:
        yield server


@pytest.fixture
def fleet() -> str:
    return f"approvals-{next(_numbers)}"


@pytest.fixture
async def client(approvals_server: Valkey, fleet: str) -> AsyncIterator[Client]:
    client = client_of(approvals_server, fleet)
    yield client
    await client.close()


@pytest.fixture
async def desk(client: Client) -> AsyncIterator[Desk]:
    """The page, and who may sign in to it."""
    async with opened(client) as desk:
        yield desk
