"""Slow loops: one that fails is told of and begun again, and none holds up the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.fleet import until

from bearerd import loops

if TYPE_CHECKING:
    import pytest


async def test_one_that_fails_is_told_of_and_begun_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loops, "RESTART_SECONDS", 0.0)
    running, runs = loops.Loops(), []

    async def fail() -> None:
        runs.append(1)
        raise RuntimeError("canary")

    running.begin("test", fail)
    await until(lambda: len(runs) > 2)
    await running.close()
    ended = len(runs)
    await asyncio.sleep(0.02)
    assert len(runs) == ended
    assert any(vars(record).get("loop") == "test" for record in caplog.records)


async def test_one_whose_clean_up_fails_holds_up_no_end() -> None:
    running, entered = loops.Loops(), asyncio.Event()

    async def fail_at_the_end() -> None:
        try:
            entered.set()
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("canary")

    running.begin("test", fail_at_the_end)
    await entered.wait()
    await asyncio.wait_for(running.close(), 5.0)


async def test_the_end_comes_in_the_order_that_undoes_the_beginning() -> None:
    running, done = loops.Loops(), []

    async def note(what: str) -> None:
        done.append(what)

    running.at_the_end(lambda: note("first"))
    running.at_the_end(lambda: note("second"))
    await running.close()
    assert done == ["second", "first"]
