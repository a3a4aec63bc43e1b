from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from support.valkey import Valkey, running

from bearerd.apikeys.pepper import Pepper
from bearerd.apikeys.vault import Vault
from bearerd.config import model
from bearerd.store import client as clients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_numbers = itertools.count()
PEPPER = b"p" * 32


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One real server a test module; tests on it use fleets of their own."""
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def fleet() -> str:
    """A fleet that no other test uses."""
    return f"fleet-{next(_numbers)}"


@pytest.fixture
async def client(shared_server: Valkey, fleet: str) -> AsyncIterator[clients.Client]:
    client = clients.connect(model.Store(url=shared_server.url, fleet=fleet), timeout=5)
    yield client
    await client.close()


@pytest.fixture
def vault(client: clients.Client, fleet: str) -> Vault:
    return Vault(client, Pepper(fleet, PEPPER))
