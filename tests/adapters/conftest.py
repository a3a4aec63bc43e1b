"""A verifier that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from adapters import scene

import bearerd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[bearerd.Verifier]:
    async with bearerd.Verifier.from_config(scene.file(tmp_path)) as running:
        yield running
