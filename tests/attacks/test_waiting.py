"""Requests that wait for one key: each gets its own verdict, whoever hangs up, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, issuer, key, token
from support.issuer import Answer, Gate, ScriptedIssuer
from support.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

RESOURCE = {"identifier": API, "gateway": "forwarded"}
CROWD = 30


def away(remote: ScriptedIssuer, **changes: Any) -> dict[str, Any]:
    return issuer(jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True, **changes)


async def crowd(house: House, *, number: int = 0) -> list[tuple[Any, asyncio.Task[Any]]]:
    """Requests of as many people, each on a connection of its own, once all of them wait."""
    asked = []
    for person in range(CROWD):
        wire = await house.wire()
        credential = token(number=number if person % 3 else 5, sub=f"user{person}")
        asked.append((wire, asyncio.create_task(wire.ask("/auth/api", ("Authorization", f"Bearer {credential}")))))
    while house.service.flights.waiting < CROWD:
        await asyncio.sleep(0.01)
    return asked


async def test_nobody_gets_anothers_verdict(tmp_path: Path) -> None:
    gate = Gate(Answer({"keys": [key()]}))
    async with ScriptedIssuer() as remote:
        remote.always("/jwks", gate)
        async with House(config(tmp_path, issuer=[away(remote)], resource={"api": RESOURCE}), tmp_path) as house:
            await house.service.start()
            asked = await crowd(house)
            for wire, task in asked[::2]:
                task.cancel()
                await wire.close()
            gate.open.set()
            for person, (wire, task) in enumerate(asked):
                if person % 2:
                    reply = await task
                    assert reply.status == (200 if person % 3 else 401)
                    assert reply.get("X-Auth-Subject") == (f"user{person}" if person % 3 else None)
                    await wire.close()


@pytest.mark.parametrize("lane", [True, False])
async def test_a_gateway_is_answered_before_it_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lane: bool
) -> None:
    """The issuer hangs, and what is said when the gateway has left nobody hears; in the lane nobody noted it, either."""
    monkeypatch.setattr("bearerd.faces.asked.PATIENCE", 0.05)
    remote = issuer(jwks=None, jwks_uri="https://issuer.example/keys")
    async with House(config(tmp_path, issuer=[remote], resource={"api": RESOURCE}), tmp_path, lane=lane) as house:
        house.service.flights._resolve = lambda _: asyncio.Event().wait()
        wire = await Wire.to(house.lane_port if lane else house.port)
        reply = await wire.ask("/auth/api", ("Authorization", f"Bearer {token()}"))
        assert (reply.status, reply["Retry-After"]) == (503, "1")
        assert house.why(reply) == "issuer_unavailable"
        assert house.service.flights._under_way  # it is still asked for
        await wire.close()


async def test_a_reload_meanwhile_decides_for_those_who_wait(tmp_path: Path) -> None:
    gate = Gate(Answer({"keys": [key()]}))
    async with ScriptedIssuer() as remote:
        remote.always("/jwks", gate)
        made = config(tmp_path, issuer=[away(remote)], resource={"api": RESOURCE})
        async with House(made, tmp_path) as house:
            await house.service.start()
            asked = await crowd(house)
            await house.service.reload(config(tmp_path, issuer=[issuer(jwks={"keys": [key(7, "k7")]})]))
            gate.open.set()
            for wire, task in asked:
                assert (await task).status == 401
                await wire.close()
