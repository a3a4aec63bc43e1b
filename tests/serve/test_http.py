"""The supervisor's HTTP listeners, when nobody can answer for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.wire import Wire

from bearerd import metrics
from bearerd.config.model import Config
from bearerd.serve import admin, probes
from bearerd.serve.channel import ChannelClosed, NotDone
from bearerd.serve.desk import Desk
from bearerd.serve.http import serving
from bearerd.serve.page import Pages

TOKEN = "t" * 43
SHOWN = ("Authorization", f"Bearer {TOKEN}")


@contextlib.asynccontextmanager
async def listening(make: Any, outcome: Any = None) -> AsyncIterator[Wire]:
    async def ask(*_: Any, **__: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    crew: Any = SimpleNamespace(members=[], slots=1, begun=False, ask_any=ask, ask_all=ask)
    nothing: Any = None
    config, pages = Config(), Pages()
    desk = Desk(crew, pages, config, nothing, nothing)
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    async with serving(make(desk), [sock], config.limits):
        wire = await Wire.to(sock.getsockname()[1])
        yield wire
        await wire.close()
    sock.close()
    pages.close()


def admin_app(desk: Desk) -> Any:
    return admin.app(desk, TOKEN)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (ChannelClosed(), 503, "no worker is up"),
        (TimeoutError(), 503, "no worker answered in time: the outcome is unknown"),
        (NotDone("KeyError", "secret words"), 500, "the worker failed: KeyError"),
        (RuntimeError("secret words"), 500, "internal error"),
        ({"nonsense": 1}, 500, "internal error"),
    ],
)
async def test_a_question_that_no_worker_answers_is_an_error_without_its_words(
    fault: Any, status: int, words: str
) -> None:
    async with listening(admin_app, fault) as wire:
        reply = await wire.ask("/v1/revocations", SHOWN, host="127.0.0.1")
        assert (reply.status, reply.json()) == (status, {"error": words})
        if status == 503:
            assert reply["Retry-After"] == "1"


async def test_nothing_that_is_not_http_is_repeated() -> None:
    async with listening(admin_app) as wire:
        reply = await wire.ask("/v1/health", ("Authorization", b"Bearer canary\x00canary"), host="127.0.0.1")
        assert reply.status == 400
        assert b"canary" not in reply.body


async def test_two_credentials_are_none() -> None:
    async with listening(admin_app) as wire:
        assert (await wire.ask("/v1/health", SHOWN, SHOWN, host="127.0.0.1")).status == 401


async def test_every_answer_says_who_answers_and_that_it_is_not_to_be_kept() -> None:
    async with listening(admin_app) as wire:
        for path, status in (("/v1/health", 200), ("/nowhere", 404)):
            reply = await wire.ask(path, SHOWN, host="127.0.0.1")
            assert reply.status == status
            assert (reply["Server"], reply["Cache-Control"]) == ("bearerd", "no-store")
            assert reply["X-Content-Type-Options"] == "nosniff"


async def test_every_probe_says_who_answers_and_not_by_what_it_is_made() -> None:
    async with listening(probes.app) as wire:
        for path in ("/livez", "/readyz", "/metrics", "/nowhere"):
            reply = await wire.ask(path)
            assert (reply["Server"], reply["Cache-Control"]) == ("bearerd", "no-store")
            assert reply["X-Content-Type-Options"] == "nosniff"


async def test_probes_answer_without_a_token_and_say_no_more_than_they_must() -> None:
    async with listening(probes.app) as wire:
        assert (await wire.ask("/livez")).json() == {"live": True}
        ready = await wire.ask("/readyz")
        assert ready.status == 503
        assert set(ready.json()) == {"ready", "components"}
        scraped = await wire.ask("/metrics")
        assert scraped["Content-Type"].startswith("text/plain; version=0.0.4")
        assert scraped["Server"] == ready["Server"] == "bearerd"  # no versions of what it is made of
        assert b"bearerd_worker_restarts_total 0.0" in scraped.body
        unknown = await wire.ask("/v1/health", SHOWN)
        assert (unknown.status, unknown.json()) == (404, {"error": "not found"})
        assert (await wire.ask("/readyz", method="POST")).status == 405


async def test_nobody_waits_while_metrics_are_written_and_who_asks_meanwhile_shares_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 200 resources it took a second or more, in which neither worker nor probe was looked after."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(pages: list[bytes]) -> bytes:
        begun.release()
        assert go_on.wait(30)
        return b"all of them\n"

    monkeypatch.setattr(metrics, "render", slow)
    async with listening(probes.app) as wire:
        port = wire._writer.get_extra_info("peername")[1]
        others = [await Wire.to(port) for _ in range(2)]
        scrapes = [asyncio.create_task(other.ask("/metrics")) for other in others]
        assert (await wire.ask("/livez")).status == 200
        await asyncio.sleep(0)
        assert await asyncio.to_thread(begun.acquire, timeout=30)
        assert (await wire.ask("/livez")).status == 200
        go_on.set()
        assert [(await scrape).body for scrape in scrapes] == [b"all of them\n"] * 2
        assert not begun.acquire(blocking=False)
        for other in others:
            await other.close()
