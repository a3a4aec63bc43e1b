from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults.nursery import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One process that all workers of this test process are forked from."""
    nursery = Nursery()
    yield nursery
    nursery.close()
