"""bearerd is away: whatever is served then is a hole."""

from __future__ import annotations

import pytest
from support.gate import CHALLENGE, Gate, Reply, remedies, told

from bearerd.doctor import silence
from bearerd.doctor.finding import Notebook


async def look(reply: Reply, token: str | None = "t.o.ken") -> Notebook:
    notes = Notebook("gateway")
    async with Gate(lambda _: reply) as gate:
        await silence.look(gate.way(), token, notes)
    return notes


@pytest.mark.parametrize("status", [500, 502, 503, 504, 403])
async def test_a_gateway_that_refuses_everybody_fails_closed(status: int) -> None:
    assert told(await look(Reply(status)), "unreachable") == ["ok"] * 5
    assert told(await look(Reply(status), None), "unreachable") == ["ok"] * 4


async def test_a_gateway_that_serves_fails_open() -> None:
    notes = await look(Reply(200))
    assert told(notes, "unreachable") == ["error"] * 5
    assert "failure_mode_allow" in remedies(notes, "unreachable")


@pytest.mark.parametrize("fields", [CHALLENGE, {}], ids=["bearerd", "somebody else"])
async def test_a_401_means_that_nothing_can_be_told_yet(fields: dict[str, str]) -> None:
    notes = await look(Reply(401, fields))
    assert told(notes, "unreachable") == ["warning"]
    assert "stop every bearerd" in remedies(notes, "unreachable")


async def test_what_is_neither_served_nor_refused_is_a_warning() -> None:
    assert told(await look(Reply(404), None), "unreachable") == ["warning"] * 4
