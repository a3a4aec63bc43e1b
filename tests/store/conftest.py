from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from support.valkey import Valkey, running

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One real server a test module; tests on it use fleets of their own."""
    with running(tmp_path_factory.mktemp("valkey"), appendonly="yes", appendfsync="always") as server:
        yield server


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A real server of the test's own: it may be flushed, killed or stopped."""
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def fleet() -> str:
    """A fleet that no other test uses."""
    return f"fleet-{next(_numbers)}"
