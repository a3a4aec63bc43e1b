"""The load generator counts what it is told to count: right and wrong answers, lost ones, and time from when they were due."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hammer import Ask, Counted, compiled, write

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "loadtests" / "hammer.c"
FLOOR = ROOT / "loadtests" / "peers" / "servers" / "floor.c"
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

Writer = asyncio.StreamWriter
Answer = Callable[[bytes, Writer], Awaitable[None]]


def head(path: str, padding: int = 0) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\nX-Padding: {'p' * padding}\r\n\r\n".encode()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    """A server whose every head is answered by a function; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            while not writer.is_closing():
                await answer(await reader.readuntil(b"\r\n\r\n"), writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def by_path(request: bytes, writer: Writer) -> None:
    """/404 is answered 404, and so on; with a body, in pieces."""
    status = request.split()[1][1:]
    writer.write(b"HTTP/1.1 %b Words\r\ncontent-Length: 12\r\n" % status)
    await writer.drain()
    writer.write(b"\r\nHTTP/1.1 20")
    writer.write(b"0")  # a body that looks like an answer is none


async def hammered(port: int, folder: Path, asks: list[Ask], **options: float) -> dict[str, Any]:
    file = write(asks, folder / "requests")
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [str(compiled(SOURCE)), "--port", str(port), "--requests", str(file), *words]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    said: dict[str, Any] = json.loads(out)
    return said


def fault(said: dict[str, Any]) -> str | None:
    return Counted(said["answered"], said["seconds"], 0, 0, 0, said).fault


async def test_every_answer_is_counted_by_status_and_heading(tmp_path: Path) -> None:
    asks = [Ask(head("/200"), 200), Ask(head("/401"), 401, 1), Ask(head("/503"), 0, 2)]
    async with serving(by_path) as port:
        said = await hammered(port, tmp_path, asks, seconds=30, count=300, connections=4)
    assert said["statuses"] == {"200": 100, "401": 100, "503": 100}
    assert {name: each["statuses"] for name, each in said["classes"].items()} == {
        "0": {"200": 100},
        "1": {"401": 100},
        "2": {"503": 100},
    }
    assert fault(said) is None


async def test_a_status_that_is_not_the_expected_one_is_wrong(tmp_path: Path) -> None:
    asks = [Ask(head("/200"), 200), Ask(head("/200"), 401, 1)]
    async with serving(by_path) as port:
        said = await hammered(port, tmp_path, asks, seconds=30, count=100, connections=2)
    assert (said["wrong"], said["classes"]["0"]["wrong"], said["classes"]["1"]["wrong"]) == (50, 0, 50)
    assert fault(said) == "50 wrong answers, the first 200 instead of 401"


async def test_pipelined_answers_belong_to_the_requests_in_order(tmp_path: Path) -> None:
    asks = [Ask(head(f"/{status}", padding=status * 20), status) for status in (200, 201, 202, 403, 404, 500, 503)]
    async with serving(by_path) as port:
        said = await hammered(port, tmp_path, asks, seconds=30, count=2000, connections=3, pipeline=64, random=7)
    assert (said["answered"], said["wrong"], said["unanswered"]) == (2000, 0, 0)


async def test_what_a_closed_connection_owed_is_lost_and_the_connection_replaced(tmp_path: Path) -> None:
    async def answer_one_in_two(request: bytes, writer: Writer) -> None:
        if request.startswith(b"GET /last "):
            writer.close()
        else:
            writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    asks = [Ask(head("/first"), 204), Ask(head("/last"), 204)]
    async with serving(answer_one_in_two) as port:
        said = await hammered(port, tmp_path, asks, seconds=30, count=20, connections=1)
    assert (said["answered"], said["lost"], said["reconnects"]) == (10, 10, 10)
    assert fault(said) == "10 requests lost"


async def test_a_connection_that_is_announced_to_close_loses_nothing(tmp_path: Path) -> None:
    async def answer_and_close(_: bytes, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with serving(answer_and_close) as port:
        said = await hammered(port, tmp_path, [Ask(head("/"), 204)], seconds=30, count=20, connections=2)
    assert (said["answered"], said["lost"]) == (20, 0)


async def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    async def say_nothing(_: bytes, writer: Writer) -> None:
        pass

    async with serving(say_nothing) as port:
        said = await hammered(port, tmp_path, [Ask(head("/"), 204)], seconds=0.1, grace=0.1, connections=3)
    assert (said["answered"], said["unanswered"]) == (0, 3)
    assert fault(said) == "3 requests unanswered"


async def test_at_a_fixed_rate_a_held_up_server_is_charged_for_every_request_that_was_due(tmp_path: Path) -> None:
    """One connection, 100 requests a second for a second, and a server that holds the first answer until all were due."""
    last_due = asyncio.Event()

    async def hold_the_first(_: bytes, writer: Writer) -> None:
        if not last_due.is_set():
            asyncio.get_running_loop().call_later(1.0, last_due.set)
            await last_due.wait()
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    async with serving(hold_the_first) as port:
        asks = [Ask(head("/"), 204)]
        said = await hammered(port, tmp_path, asks, seconds=30, count=100, rate=100, connections=1)
    # A closed loop would have seen one slow answer.  Here request k was due at k/100 s and answered after a second.
    assert (said["answered"], said["unsent"]) == (100, 0)
    assert said["latency_us"]["p50"] >= 490_000
    assert said["latency_us"]["max"] >= 990_000


async def test_requests_that_find_no_connection_free_are_said_to_be_unsent(tmp_path: Path) -> None:
    async def say_nothing(_: bytes, writer: Writer) -> None:
        pass

    async with serving(say_nothing) as port:
        options = {"seconds": 0.2, "grace": 0.1, "rate": 1000, "connections": 2, "pipeline": 5}
        said = await hammered(port, tmp_path, [Ask(head("/"), 204)], **options)
    assert (said["sent"], said["unsent"], said["unanswered"]) == (10, 190, 10)


@pytest.mark.parametrize("text", ["", "12 200\n", "5 200 0\nabc", "5 200 9\nabcde", "x"])
def test_a_damaged_file_of_requests_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "requests"
    file.write_text(text)
    run = subprocess.run(
        [compiled(SOURCE), "--port", "1", "--requests", file], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "the file of requests is damaged" in run.stderr


async def test_the_floor_answers_every_head_however_they_arrive(tmp_path: Path) -> None:
    from stage import Stage

    with Stage.on_free_ports(tmp_path) as stage:
        port = stage.ports["upstream"]
        stage.start("floor", [str(compiled(FLOOR)), str(port)], port=port)
        asks = [Ask(head("/", padding=size), 204) for size in (0, 700, 9000)]
        said = await hammered(port, tmp_path, asks, seconds=30, count=3000, connections=5, pipeline=100)
    assert (said["answered"], said["unanswered"], said["lost"]) == (3000, 0, 0)
