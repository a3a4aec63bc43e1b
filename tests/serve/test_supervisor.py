"""Real processes: started, stopped, killed, replaced, and asked all the while."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support import house
from support.bearerd import Bearerd, config, environment, wait_for
from support.bearerd import issuer as inline
from support.load import Load
from support.valkey import Valkey
from support.wire import Wire, request

ASKED = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/orders/1"), ("X-Forwarded-Host", "api.example"))


def allowed() -> tuple[tuple[str, str], ...]:
    return (*ASKED, ("Authorization", f"Bearer {house.token()}"))


def gone(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


async def eventually(claim: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_for, claim)


def test_it_starts_decides_and_ends_with_0(tmp_path: Path) -> None:
    with Bearerd(tmp_path) as bearerd:
        assert bearerd.decide(token=house.token()).status == 200
        assert bearerd.decide().status == 401
        assert bearerd.decide("/open").status == 200
        pids = [*bearerd.pids().values()]
        assert len(pids) == 2
        assert bearerd.stop() == 0
    assert all(map(gone, pids))
    assert not bearerd.addresses()
    assert not bearerd.events("a worker ended unasked")
    assert {event["status"] for event in bearerd.events("a worker ended")} == {0}


def test_a_configuration_that_every_local_user_may_write_is_warned_of_at_the_start(tmp_path: Path) -> None:
    bearerd = Bearerd(tmp_path, config(workers=1))
    bearerd.file.chmod(0o666)
    with bearerd:
        details = [event["detail"] for event in bearerd.events("configuration")]
        assert [one for one in details if one.startswith(f"file: every local user may write {bearerd.file}")]


async def test_nobody_who_gets_in_at_the_start_is_told_that_it_is_too_early(tmp_path: Path) -> None:
    """Connections are refused until a worker can decide, and from then on each is answered by one that does."""
    bearerd = Bearerd(tmp_path, config(workers=4), until_ready=False)
    statuses: list[int] = []
    await asyncio.to_thread(bearerd.start)
    with bearerd:
        while len(statuses) < 100 or not await asyncio.to_thread(bearerd.ready):
            with contextlib.suppress(ConnectionRefusedError):
                wire = await bearerd.wire()
                statuses.append((await wire.ask("/auth/api", *allowed())).status)
                await wire.close()
    assert set(statuses) == {200}


async def test_while_the_store_is_away_open_rules_are_served_after_a_while_and_no_others(tmp_path: Path) -> None:
    store = Valkey(tmp_path / "store")
    text = config(workers=2, more=f'[store]\nurl = "{store.unix_url}"')
    bearerd = Bearerd(tmp_path / "bearerd", text, until_ready=False)
    await asyncio.to_thread(bearerd.start)
    with bearerd, contextlib.closing(store):
        await eventually(lambda: not refuses(bearerd))
        for path, status in (("/open", 200), ("/orders/1", 503)):
            answer = await asyncio.to_thread(bearerd.decide, path, house.token())
            assert (path, answer.status) == (path, status)
        assert bearerd.probe("/readyz").status == 503
        await asyncio.to_thread(store.start)
        await eventually(bearerd.ready)
        assert bearerd.decide(token=house.token()).status == 200


async def test_a_lone_issuer_that_is_down_keeps_no_open_rule_waiting_for_its_keys(tmp_path: Path) -> None:
    table = f'''
[[issuer]]
issuer = "{house.ISS}"
name = "test"
jwks_uri = "http://127.0.0.1:1/jwks"
insecure_issuer = true
'''
    bearerd = Bearerd(tmp_path, config(workers=1, issuers=table), until_ready=False)
    await asyncio.to_thread(bearerd.start)
    with bearerd:
        await eventually(lambda: not refuses(bearerd))
        health = bearerd.api("GET", "/v1/health").json()
        assert [(one["health"]["tried"], one["ready"]) for one in health["workers"]] == [(True, False)]
        assert bearerd.decide("/open").status == 200
        assert bearerd.probe("/readyz").status == 503


def test_ctrl_c_ends_it_with_0_too(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        assert bearerd.stop(signal.SIGINT) == 0


def test_workers_and_store_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with Bearerd(tmp_path) as bearerd:
        pids = [*bearerd.pids().values()]
        assert bearerd.stop(signal.SIGKILL) == -9
        for pid in pids:
            wait_for(lambda pid=pid: gone(pid))
        bearerd.start()  # the lock, the ports and the store are free again
        assert bearerd.decide(token=house.token()).status == 200


async def test_after_a_worker_was_killed_no_connection_is_refused_and_its_slot_is_served(tmp_path: Path) -> None:
    with Bearerd(tmp_path) as bearerd:
        pids = bearerd.pids()
        async with Load(bearerd, *allowed()) as load:
            os.kill(pids[0], signal.SIGKILL)
            await eventually(lambda: gone(pids[0]))
            broken = len(load.lost)
            # With SO_REUSEPORT the kernel gives the dead worker's slot its share of these.
            wires = [await Wire.to(bearerd.port) for _ in range(32)]
            for wire in wires:
                assert (await wire.ask("/auth/api", *allowed())).status == 200
            await load.more(50)
            await eventually(lambda: bearerd.ready() and bearerd.pids().get(0) not in (None, pids[0]))
            await load.more(50)
        assert load.refused == []
        assert set(load.statuses) == {200}
        assert len(load.lost) <= broken + load.clients  # only what the dead worker held
        assert bearerd.pids()[1] == pids[1]
        assert bearerd.metric("bearerd_worker_restarts_total") == 1
        for wire in wires:
            await wire.close()
        assert bearerd.stop() == 0


async def test_a_lone_worker_s_connections_wait_for_its_successor(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        (pid,) = bearerd.pids().values()
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: gone(pid))
        wires = [await Wire.to(bearerd.port) for _ in range(8)]
        for wire in wires:
            await wire.send(request("/auth/api", *allowed()))
        for wire in wires:
            assert (await wire.read()).status == 200
            await wire.close()


async def test_counters_never_go_back_when_a_worker_is_killed(tmp_path: Path) -> None:
    with Bearerd(tmp_path) as bearerd:
        async with Load(bearerd, *allowed()) as load:
            await load.more(200)
        counted = bearerd.metric("bearerd_decisions_total", outcome="allow")
        assert counted == load.statuses[200]  # both workers together
        observed = bearerd.metric("bearerd_decision_duration_seconds_count", face="forward_auth")
        for slot in (0, 1):
            pid = bearerd.pids()[slot]
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda pid=pid: gone(pid))
            assert bearerd.metric("bearerd_decisions_total", outcome="allow") == counted
            await eventually(lambda pid=pid, slot=slot: bearerd.ready() and bearerd.pids().get(slot) not in (None, pid))
            assert bearerd.metric("bearerd_decisions_total", outcome="allow") == counted
        assert bearerd.metric("bearerd_decision_duration_seconds_count", face="forward_auth") == observed
        assert bearerd.decide(token=house.token()).status == 200
        assert bearerd.metric("bearerd_decisions_total", outcome="allow") == counted + 1


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_rolling_restart_loses_no_request(tmp_path: Path, workers: int) -> None:
    with Bearerd(tmp_path, config(workers=workers, server='drain_timeout = "60s"')) as bearerd:
        before = bearerd.pids()
        async with Load(bearerd, *allowed()) as load:
            bearerd.send(signal.SIGUSR2)
            await eventually(lambda: all(map(gone, before.values())))
            await load.more(50)
        assert load.lost == []
        assert load.refused == []
        assert set(load.statuses) == {200}
        assert not set(bearerd.pids().values()) & set(before.values())
        assert bearerd.metric("bearerd_worker_restarts_total") == 0
        assert bearerd.metric("bearerd_decisions_total", outcome="allow") == load.statuses[200]


def test_sigusr2_to_every_process_replaces_workers_one_by_one_too(tmp_path: Path) -> None:
    """As ``pkill`` sends it, or ``systemctl kill``."""
    with Bearerd(tmp_path) as bearerd:
        before = bearerd.pids()
        for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGINT):
            for pid in before.values():
                os.kill(pid, number)
        bearerd.send(signal.SIGUSR2)
        wait_for(lambda: all(map(gone, before.values())))
        wait_for(bearerd.ready)
        assert not set(before.values()) & set(bearerd.pids().values())
        assert not bearerd.events("a worker ended unasked")


@pytest.mark.parametrize("how", ["signals", "the file"])
def test_what_is_asked_during_the_start_is_done_after_it(tmp_path: Path, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as store:  # it never answers
        text = config(workers=1, more=f'[store]\nurl = "redis://127.0.0.1:{store.getsockname()[1]}"')
        bearerd = Bearerd(tmp_path, text, until_ready=False)
        with bearerd.log.open("ab") as log:
            command = [sys.executable, "-m", "bearerd", "serve", "--config", str(bearerd.file)]
            bearerd.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment()
            )
        with bearerd:
            store.accept()[0].close()  # the file is read, and no worker there yet
            if how == "signals":
                bearerd.send(signal.SIGHUP)
                bearerd.send(signal.SIGUSR2)
            else:
                bearerd.write(text + "\n# another\n")
            wait_for(lambda: bearerd.events("configuration reloaded") or bearerd.process.poll() is not None)  # type: ignore[union-attr]
            assert bearerd.stop() == 0
    assert bearerd.events("configuration reloaded")


async def test_sigterm_to_one_worker_has_it_replaced_without_a_lost_request(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=2, server='drain_timeout = "60s"')) as bearerd:
        before = bearerd.pids()
        async with Load(bearerd, *allowed()) as load:
            os.kill(before[0], signal.SIGTERM)
            await eventually(lambda: gone(before[0]))
            await load.more(50)
        assert (load.lost, load.refused) == ([], [])
        assert bearerd.pids()[0] != before[0]
        assert bearerd.pids()[1] == before[1]


async def test_sigterm_lets_a_request_that_is_under_way_end(tmp_path: Path) -> None:
    """A key that must be fetched holds the request; the issuer answers only after the signal."""
    held = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await held.wait()
        body = json.dumps({"keys": [house.key()]}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await writer.drain()
        writer.close()

    issuer = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = issuer.sockets[0].getsockname()[1]
    table = fetched(port)
    bearerd = Bearerd(tmp_path, config(workers=1, issuers=table), until_ready=False)
    async with issuer:
        await asyncio.to_thread(bearerd.start)
        with bearerd:
            await eventually(bearerd.ready)
            wire = await bearerd.wire()
            await wire.send(request("/auth/api", *allowed()))
            await eventually(lambda: waiting(bearerd) == 1)
            bearerd.send(signal.SIGTERM)
            await eventually(lambda: bearerd.events("stopping"))
            held.set()
            reply = await wire.read()
            assert reply.status == 200
            assert await wire.rest() == b""  # and the connection is closed
            assert bearerd.process is not None
            assert await asyncio.to_thread(bearerd.process.wait) == 0


def fetched(port: int) -> str:
    """An issuer whose keys are on a port, and one with keys in the file: for its sake nobody waits for the other."""
    return f"""
[[issuer]]
issuer = "{house.ISS}"
name = "test"
algorithms = ["ES256"]
jwks_uri = "http://127.0.0.1:{port}/jwks"
insecure_issuer = true
""" + inline().replace(house.ISS, "https://other.example").replace('"test"', '"other"')


def refuses(bearerd: Bearerd) -> bool:
    """Whether nobody listens yet."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", bearerd.port)) != 0


def waiting(bearerd: Bearerd) -> int:
    workers = bearerd.api("GET", "/v1/health").json()["workers"]
    return sum(worker["health"]["waiting"] for worker in workers if worker["health"])


async def test_readiness_fails_before_connections_are_refused(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        address = bearerd.addresses()
        idle = await bearerd.wire()
        assert (await idle.ask("/auth/api", *allowed())).status == 200
        assert bearerd.probe("/readyz").status == 200  # somebody asks: it will be told before anything closes
        bearerd.send(signal.SIGTERM)
        await eventually(lambda: bearerd.events("stopping"))
        probes = await Wire.to(int(address["probes"].rpartition(":")[2]))
        told = await probes.ask("/readyz", host="127.0.0.1")
        assert told.status == 503
        assert told.json()["components"]["workers"] == "draining"
        fresh = await Wire.to(int(address["listen"][0].rpartition(":")[2]))
        reply = await fresh.ask("/auth/api", *allowed())
        assert reply.status == 200
        reply = await idle.ask("/auth/api", *allowed())
        while reply.status == 200 and reply.get("Connection") != "close":  # the worker hears of it after the probes do
            reply = await idle.ask("/auth/api", *allowed())
        assert (reply.status, reply.get("Connection")) == (200, "close")
        assert bearerd.process is not None
        assert await asyncio.to_thread(bearerd.process.wait) == 0


def test_a_second_bearerd_on_the_same_data_dir_is_refused(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        second = bearerd.cli("serve")
        assert second.returncode == 2
        assert f"data_dir {bearerd.data_dir} is in use by another bearerd (process {bearerd.pid})" in second.stderr
        assert "Traceback" not in second.stderr
        assert bearerd.decide(token=house.token()).status == 200


@pytest.mark.parametrize("which", ["listen", "admin", "probes"])
def test_a_second_bearerd_on_the_same_port_is_refused(tmp_path: Path, which: str) -> None:
    with Bearerd(tmp_path / "first", config(workers=1)) as first:
        address = first.address if which == "listen" else first.addresses()[which]
        written = json.dumps([address] if which == "listen" else address)
        second = Bearerd(tmp_path / "second")
        text = "\n".join(
            f"{which} = {written}" if line.startswith(f"{which} =") else line for line in config().splitlines()
        )
        second.write(text)
        ended = second.cli("serve")
        assert ended.returncode == 2
        assert f"cannot listen on {address}: Address already in use" in ended.stderr
        assert "is bearerd running already?" in ended.stderr
        assert first.decide(token=house.token()).status == 200


async def test_a_unix_listener_serves_with_its_mode_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    text = config(workers=2).replace('listen = ["127.0.0.1:0"]', f'listen = [{{ path = "{path}", mode = "0600" }}]')
    with Bearerd(tmp_path, text) as bearerd:
        assert bearerd.addresses()["listen"] == [f"unix:{path}"]
        assert path.lstat().st_mode & 0o777 == 0o600
        for pid in bearerd.pids().values():
            wire = await Wire.to_unix(str(path))
            assert (await wire.ask("/auth/api", *allowed())).status == 200
            os.kill(pid, signal.SIGKILL)  # each in turn: the other, and then a successor, goes on to accept
            await eventually(lambda pid=pid: gone(pid))
        await eventually(bearerd.ready)
        wire = await Wire.to_unix(str(path))
        assert (await wire.ask("/auth/api", *allowed())).status == 200
        assert bearerd.stop() == 0
    assert not path.exists()


def test_an_embedded_store_that_dies_is_started_again(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        workers, before = bearerd.pids(), store_of(bearerd)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: store_of(bearerd) not in (None, before))
        assert taken(bearerd)
        assert bearerd.pids() == workers
        assert bearerd.decide(token=house.token()).status == 200
        assert bearerd.stop() == 0


def store_of(bearerd: Bearerd) -> int | None:
    """The process id of the embedded store that runs."""
    try:
        pid: int = json.loads((bearerd.data_dir / "store.json").read_text())["pid"]
    except (OSError, ValueError):
        return None
    return pid


def taken(bearerd: Bearerd) -> bool:
    """Wait until a revocation reaches the store."""
    wanted = {"kind": "subject", "issuer": house.ISS, "value": "bob", "ack": "stored"}
    return bool(wait_for(lambda: bearerd.api("POST", "/v1/revocations", wanted).status == 201))


def test_an_embedded_store_that_dies_again_as_soon_as_it_runs_is_started_once_more(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        seen = [store_of(bearerd)]
        for _ in range(2):
            last = seen[-1]
            assert last is not None
            os.kill(last, signal.SIGKILL)
            wait_for(lambda: store_of(bearerd) not in (None, *seen))
            seen.append(store_of(bearerd))
        assert taken(bearerd)
        assert bearerd.decide(token=house.token()).status == 200


def test_a_configuration_is_taken_while_the_embedded_store_is_away_and_a_worker_of_then_finds_it(
    tmp_path: Path,
) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        (before,), store, log = bearerd.pids().values(), store_of(bearerd), bearerd.data_dir / "store.log"
        assert store is not None
        log.unlink()
        log.mkdir()  # as long as this stands in its place it cannot be started
        os.kill(store, signal.SIGKILL)
        wait_for(lambda: bearerd.events("the embedded store does not start"))
        bearerd.write(bearerd.text.replace("/orders/**", "/things/**"))
        told = bearerd.api("POST", "/v1/reload")
        assert (told.status, told.json()["reloaded"]) == (200, True)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: before not in bearerd.pids().values())
        log.rmdir()
        wait_for(bearerd.ready)
        assert taken(bearerd)
        assert bearerd.decide(token=house.token()).status == 403  # by the configuration that was taken meanwhile
        bearerd.write(bearerd.text)  # which is still followed
        wait_for(lambda: bearerd.decide(token=house.token()).status == 200)


def test_the_production_profile_raises_the_file_limit_and_needs_no_more_than_its_data_dir(tmp_path: Path) -> None:
    text = config(workers=1).replace('profile = "development"', 'data_dir = ".bearerd"')
    while "127.0.0.1:0" in text:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            text = text.replace("127.0.0.1:0", f"127.0.0.1:{probe.getsockname()[1]}", 1)
    with Bearerd(tmp_path, text) as bearerd:
        for pid in (bearerd.pid, *bearerd.pids().values()):
            limits = Path(f"/proc/{pid}/limits").read_text()
            soft, hard = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
            assert soft == hard
        assert bearerd.decide(token=house.token()).status == 200


def test_a_secret_that_no_worker_can_use_ends_the_start_with_its_name(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("of the fleet")
    text = config(workers=2, server="hash_subjects = true", more=f'[store]\nfleet_key_file = "{key}"')
    bearerd = Bearerd(tmp_path, text)
    (bearerd.data_dir / "bearerd.lock").parent.mkdir()
    key.write_text("x" * 70_000)
    ended = bearerd.cli("serve")
    assert ended.returncode == 2
    assert "hash_subjects" in ended.stderr or "fleet_key_file" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_worker_that_is_stuck_is_killed_and_meanwhile_its_slot_is_served(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=2)) as bearerd:
        pids = bearerd.pids()
        os.kill(pids[0], signal.SIGSTOP)
        await eventually(lambda: bearerd.events("a worker is silent: a sibling serves its slot"))
        for _ in range(16):  # those that the kernel gave the stopped worker's slot wait for its sibling
            wire = await bearerd.wire()
            assert (await wire.ask("/auth/api", *allowed())).status == 200
            await wire.close()
        assert not bearerd.events("a worker is stuck and is killed")  # so it was the sibling that answered
        await eventually(lambda: gone(pids[0]))
        await eventually(
            lambda: bearerd.events("a worker is stuck and is killed")
        )  # the line may be read a moment later
        await eventually(lambda: bearerd.ready() and bearerd.pids().get(0, pids[0]) != pids[0])
        assert bearerd.pids()[1] == pids[1]


async def test_a_killed_worker_s_lease_is_given_back_so_that_a_revocation_need_not_wait_for_it(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=2)) as bearerd:
        pids = bearerd.pids()
        os.kill(pids[1], signal.SIGKILL)
        await eventually(lambda: bearerd.events("a worker ended unasked") and bearerd.ready())
        body = {"kind": "subject", "issuer": house.ISS, "value": "alice"}
        written = bearerd.api("POST", "/v1/revocations", body)
        assert (written.status, written.json()["acknowledged"]) == (201, "enforced")
        assert not bearerd.events("a dead worker's lease stays until it lapses")


@contextlib.asynccontextmanager
async def held_request(tmp_path: Path, server: str) -> AsyncIterator[tuple[Bearerd, Wire]]:
    """A bearerd, and a request to it that waits for an issuer which never answers."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    issuer = await asyncio.start_server(silent, "127.0.0.1", 0)
    table = fetched(issuer.sockets[0].getsockname()[1])
    bearerd = Bearerd(tmp_path, config(workers=1, issuers=table, server=server), until_ready=False)
    async with issuer:
        await asyncio.to_thread(bearerd.start)
        with bearerd:
            await eventually(bearerd.ready)
            wire = await bearerd.wire()
            await wire.send(request("/auth/api", *allowed()))
            await eventually(lambda: waiting(bearerd) == 1)
            yield bearerd, wire
            await wire.close()


async def test_a_request_that_outlasts_drain_timeout_is_cut_off_and_told_of(tmp_path: Path) -> None:
    async with held_request(tmp_path, 'drain_timeout = "100ms"') as (bearerd, wire):
        assert await asyncio.to_thread(bearerd.stop) == 0
        assert not (await wire.rest()).startswith(b"HTTP/1.1 200")
        (event,) = bearerd.events("requests were cut off: drain_timeout has passed")
        assert event["connections"] == 1


async def test_a_second_signal_waits_for_nothing(tmp_path: Path) -> None:
    async with held_request(tmp_path, 'drain_timeout = "1h"') as (bearerd, wire):
        bearerd.send(signal.SIGTERM)
        await eventually(lambda: bearerd.events("stopping"))
        assert await asyncio.to_thread(bearerd.stop) == 0
        assert await wire.rest() == b""
