"""``bearerd bench``: what it counted is what was answered, and what it asked is what a gateway asks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import house
from support.bearerd import RESOURCE, Bearerd, config, run, wait_for
from support.certificates import authority

from bearerd.cli import crowd, usage
from bearerd.cli.bench import question
from bearerd.cli.output import Failure
from bearerd.config import load

ASKED = ("-r", "api", "--path", "/orders/1", "-s", "0.2", "-n", "4")
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    with Bearerd(tmp_path_factory.mktemp("bench"), config(workers=1)) as running:
        yield running


# ---- a running bearerd


def test_a_good_token_is_allowed_every_time_and_each_answer_is_a_decision(bearerd: Bearerd) -> None:
    before = bearerd.metric("bearerd_decisions_total", resource="api", outcome="allow")
    told = bearerd.cli("bench", *ASKED, "-o", "json", given=house.token())
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["asked"] == bearerd.address
    assert (found["statuses"], found["lost"]) == ({"200": found["answers"]}, 0)
    made = bearerd.metric("bearerd_decisions_total", resource="api", outcome="allow") - before
    assert made == found["answers"] + 1  # one was asked first, to see that somebody answers
    assert 0 < found["latency_us"]["p50"] <= found["latency_us"]["p99"] <= found["latency_us"]["p999"]
    assert found["cpu_us_per_request"] is not None


def test_a_refused_token_is_measured_all_the_same_and_the_exit_code_is_1(bearerd: Bearerd) -> None:
    forged = house.token(number=7)
    told = bearerd.cli("bench", *ASKED, given=forged)
    assert told.returncode == 1
    assert "× 401" in told.stdout
    assert "bearerd explain -r api" in told.stdout
    assert forged.split(".")[2] not in told.stdout + told.stderr


def test_the_token_comes_from_a_file(bearerd: Bearerd, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"Bearer {house.token()}\n")
    told = bearerd.cli("bench", *ASKED, "--token-file", str(file))
    assert told.returncode == 0, told.stderr
    assert "× 200" in told.stdout


def test_envoy_is_played_where_the_resource_has_no_other_gateway(tmp_path: Path) -> None:
    resource = RESOURCE.replace('"forwarded"', '"envoy"')
    with Bearerd(tmp_path, config(workers=1, resource=resource)) as running:
        told = running.cli("bench", *ASKED, "-X", "HEAD", "-o", "json", given=house.token())
    assert told.returncode == 0, told.stdout + told.stderr
    assert set(json.loads(told.stdout)["statuses"]) == {"200"}


def test_a_listener_with_mtls_is_asked_by_whoever_has_a_certificate(tmp_path: Path) -> None:
    issued, ca = authority().issue(tmp_path, "bearerd.test"), authority("clients").write(tmp_path)
    gateway = authority("clients").issue(tmp_path, "gateway")
    shown = ("--cert", str(gateway.certificate), "--key", str(gateway.key))
    with Bearerd(tmp_path / "b", config(workers=1, server=issued.table(client_ca_file=ca))) as running:
        told = running.cli("bench", *ASKED, *shown, "-o", "json", given=house.token())
        assert told.returncode == 0, told.stdout + told.stderr
        assert set(json.loads(told.stdout)["statuses"]) == {"200"}
        told = running.cli("bench", *ASKED, given=house.token())
        assert (told.returncode, "--cert and --key" in told.stderr) == (2, True)
        told = running.cli("bench", *ASKED, "--cert", str(ca), given=house.token())
        assert (told.returncode, "cannot be used" in told.stderr) == (2, True)
        authority().issue(tmp_path, "bearerd.test", days=-1)  # the file is no longer what is shown
        told = running.cli("bench", *ASKED, *shown, given=house.token())
        assert (told.returncode, "CERTIFICATE_VERIFY_FAILED" in told.stderr) == (2, True)


# ---- nobody to ask, and wrong usage


def test_where_nobody_listens_it_is_2(tmp_path: Path) -> None:
    file = tmp_path / "bearerd.toml"
    text = config()
    for port in "123":
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
    file.write_text(text)
    told = run("bench", "-c", str(file), *ASKED, given="x")
    assert (told.returncode, "is it running?" in told.stderr) == (2, True)
    file.write_text(text.replace("127.0.0.1:1", "127.0.0.1:0", 1))
    told = run("bench", "-c", str(file), *ASKED, given="x")
    assert (told.returncode, "server.listen has port 0" in told.stderr) == (2, True)


@pytest.mark.parametrize("wrong", [("-n", "0"), ("-n", "1001"), ("-s", "0"), ("-s", "61"), ("-r", "other")])
def test_what_is_out_of_bounds_or_unknown_is_2(wrong: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "bearerd.toml"
    file.write_text(config())
    told = run("bench", "-c", str(file), *ASKED, *wrong, given="x")
    assert (told.returncode, told.stdout) == (2, "")


# ---- what is asked


def asked(tmp_path: Path, gateway: str, **more: str) -> bytes:
    file = tmp_path / "bearerd.toml"
    file.write_text(config(resource=RESOURCE.replace('"forwarded"', gateway)))
    told = {"resource": "api", "method": "GET", "target": "/orders/1?x", "host": "api.example"} | more
    return question(load.load(str(file)), told, "t0k3n")[0]


@pytest.mark.parametrize(
    ("gateway", "line", "header"),
    [
        ('"nginx"', b"GET /auth/api HTTP/1.1\r\n", b"\r\nx-original-uri: /orders/1?x\r\n"),
        ('"forwarded"', b"GET /auth/api HTTP/1.1\r\n", b"\r\nx-forwarded-uri: /orders/1?x\r\n"),
        ('["envoy", "nginx"]', b"GET /auth/api HTTP/1.1\r\n", b"\r\nx-original-host: api.example\r\n"),
        ('"envoy"', b"GET /ext_authz/api/orders/1?x HTTP/1.1\r\n", b"\r\nHost: api.example\r\n"),
    ],
)
def test_it_asks_as_the_resource_s_gateway_does(gateway: str, line: bytes, header: bytes, tmp_path: Path) -> None:
    request = asked(tmp_path, gateway)
    assert request.startswith(line)
    assert header in request
    assert request.endswith(b"\r\nAuthorization: Bearer t0k3n\r\n\r\n")


@pytest.mark.parametrize("text", ["GET\r\nX-Original-Method: PUT", "G\x00T", "GÉT"])
def test_nothing_but_one_line_of_ascii_is_sent(text: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="printable ASCII"):
        asked(tmp_path, '"nginx"', method=text)


# ---- the crowd


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server in a thread, whose every head is answered by a function; yields its address."""
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                await answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()


def crowded(where: str, connections: int = 3, seconds: float = 0.0) -> crowd.Tally:
    return crowd.gather(crowd.Plan(where, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", connections, seconds))


def test_an_answer_in_pieces_with_a_body_is_one_answer() -> None:
    async def in_pieces(_: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in (b"HTTP/1.1 40", b"3 No\r\ncontent-LENGTH: 15\r\n", b"\r\nHTTP/1.1 200", b" OK"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    with serving(in_pieces) as where:
        tally = crowded(where)
    assert (dict(tally.statuses), tally.lost) == ({403: 3}, 0)


def test_a_connection_that_is_closed_after_its_answer_is_replaced_and_nothing_lost() -> None:
    asked: list[bytes] = []

    async def answer_and_close(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    with serving(answer_and_close) as where:
        tally = crowded(where, 2, 0.2)
    assert (tally.statuses[200], tally.lost) == (len(asked), 0)
    assert len(asked) > 2


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-nobody\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_what_is_no_whole_answer_is_a_lost_request(said: bytes) -> None:
    async def close(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    with serving(close) as where:
        tally = crowded(where)
    assert (tally.answered, tally.lost) == (0, 3)


def test_percentiles_are_values_that_were_measured() -> None:
    tally = crowd.Tally()
    tally.took.extend(float(number) for number in range(1000, 0, -1))
    assert tally.percentiles(0.5, 0.99, 0.999) == [501.0, 991.0, 1000.0]
    assert crowd.Tally().percentiles(0.5) == [0.0]


# ---- what it cost


def test_children_are_charged_and_strangers_are_not() -> None:
    burn = "sum(range(10_000_000)); input()  # bearerd"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])  # bearerd"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as parent:
        wait_for(lambda: (usage.cpu_seconds(parent.pid) or 0.0) >= 0.1)
        parent.communicate(b"\n")
    assert usage.cpu_seconds(parent.pid) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        assert usage.cpu_seconds(stranger.pid) is None
        stranger.communicate(b"\n")
    assert usage.cpu_seconds(os.getpid()) is not None or b"bearerd" not in Path("/proc/self/cmdline").read_bytes()
