"""For how long a worker's answer is waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bearerd.serve import admin
from bearerd.serve.patience import PATIENCE, to_revoke


@pytest.mark.parametrize("seconds", [0.1, 2.0, 300.0])
async def test_whoever_revokes_is_waited_for_longer_than_everybody_else_may_take(seconds: float) -> None:
    waited = []

    async def ask_any(what: str, patience: float, **_: object) -> dict[str, Any]:
        waited.append(patience)
        return {"status": 202, "body": {}}

    store = SimpleNamespace(enforce_timeout=seconds)
    desk: Any = SimpleNamespace(crew=SimpleNamespace(ask_any=ask_any), config=SimpleNamespace(store=store))
    assert (await admin._Admin(desk).outcome("revoke")).status == 202
    assert waited == [to_revoke(seconds)]
    assert to_revoke(seconds) >= PATIENCE + 2 * seconds
