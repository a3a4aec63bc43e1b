"""Approvers are told of what waits: signed, without its arguments, again where it failed, and only where the operator said."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from support.approving import PAGE, call

from bearerd.approvals import webhook
from bearerd.approvals.record import Approval
from bearerd.approvals.webhook import CARRIERS, MOST_QUEUED, Webhook
from bearerd.config import model
from bearerd.metrics import Labels, Metrics, gather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = b"k" * 32


def waiting(name: str = "a" * 32, ttl: float = 60.0) -> Approval:
    now = time.time()
    return Approval(name, call(arguments='{"secret":"hunter2"}'), now, now + ttl)


@dataclass
class Receiver:
    """Answers with these statuses, then 204."""

    hook: Webhook
    metrics: Metrics
    statuses: list[int]
    never: bytes = b""  # what holds this is always refused
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 204
        status = 400 if self.never and self.never in self.heard[-1][1] else status
        self.news.set()
        return web.Response(status=status, headers={"Location": "http://127.0.0.1:1/elsewhere"})

    async def hears(self, times: int) -> None:
        async with asyncio.timeout(30):
            while len(self.heard) < times:
                self.news.clear()
                await self.news.wait()

    async def counts(self, result: str, times: int) -> None:
        async with asyncio.timeout(30):
            while gather([self.metrics.buffer])[("bearerd_approval_webhooks_total", result)][0] < times:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def receiver(tmp_path: Path, *statuses: int, pause: float = 0.01) -> AsyncIterator[Receiver]:
    file = tmp_path / "secret"
    file.write_bytes(b"whsec_" + base64.b64encode(KEY) + b"\n")
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    metrics = Metrics(None, Labels({"files": ()}))
    table: Any = None
    made = Receiver(Webhook(lambda: table, metrics, pause=pause), metrics, list(statuses))
    app.router.add_post("/hook", made.answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    table = model.Approvals.model_validate(PAGE | {"webhook": url, "webhook_secret_file": file})
    running = asyncio.create_task(made.hook.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await runner.cleanup()


def signature_of(headers: dict[str, str], body: bytes) -> str:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()


async def test_what_is_sent_is_signed_and_holds_no_arguments(tmp_path: Path) -> None:
    async with receiver(tmp_path) as hears:
        hears.hook.put(waiting())
        await hears.counts("delivered", 1)
    ((headers, body),) = hears.heard
    assert headers["webhook-signature"] == signature_of(headers, body)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    said = json.loads(body)
    assert (said["id"], said["url"]) == ("a" * 32, f"https://approvals.example/a/{'a' * 32}")
    assert (said["tool"], said["subject"], said["client"], said["resource"]) == ("delete", "alice", "agent", "files")
    assert said["arguments_digest"] == call(arguments='{"secret":"hunter2"}').digest
    assert b"hunter2" not in body


@pytest.mark.parametrize("status", [500, 400, 302, 429])
async def test_what_failed_is_sent_again_under_the_same_id(tmp_path: Path, status: int) -> None:
    async with receiver(tmp_path, status, status) as hears:
        hears.hook.put(waiting())
        await hears.counts("delivered", 1)
    assert len(hears.heard) == 3  # and a redirect was followed nowhere
    assert len({headers["webhook-id"] for headers, _ in hears.heard}) == 1
    await hears.counts("failed", 2)


async def test_one_that_is_refused_for_ever_is_given_up(tmp_path: Path) -> None:
    async with receiver(tmp_path) as hears:
        hears.never = b"bbbb"
        hears.hook.put(waiting("b" * 32, ttl=0.3))
        await hears.counts("given_up", 1)


async def test_those_that_are_refused_for_ever_hold_up_no_other(tmp_path: Path) -> None:
    async with receiver(tmp_path, pause=3600.0) as hears:
        hears.never = b"bbbb"
        for number in range(2 * CARRIERS):
            hears.hook.put(waiting(f"{number:b<32}", ttl=7200.0))
        await hears.counts("failed", 2 * CARRIERS)
        hears.hook.put(waiting("c" * 32))
        await hears.counts("delivered", 1)
        for _ in range(MOST_QUEUED + 1):  # those that rest are in the queue as much as others
            hears.hook.put(waiting())
        await hears.counts("dropped", 2 * CARRIERS + 1)


async def test_more_than_the_queue_holds_is_dropped_and_counted(tmp_path: Path) -> None:
    metrics = Metrics(None, Labels({"files": ()}))
    table = model.Approvals.model_validate(PAGE | {"webhook": "http://127.0.0.1:1/"})
    hook = Webhook(lambda: table, metrics)  # nobody carries anything
    for _ in range(MOST_QUEUED + 3):
        hook.put(waiting())
    assert gather([metrics.buffer])[("bearerd_approval_webhooks_total", "dropped")][0] == 3


async def test_without_a_webhook_nothing_is_queued_and_without_a_secret_nothing_is_sent(tmp_path: Path) -> None:
    async with receiver(tmp_path) as hears:
        (tmp_path / "secret").write_text("whsec_c2hvcnQ=")  # what it holds now is too short
        hears.hook.put(waiting(ttl=0.2))
        await hears.counts("given_up", 1)
        assert hears.heard == []
    plain = Webhook(lambda: model.Approvals.model_validate(PAGE), hears.metrics)
    plain.put(waiting())
    assert plain._waiting.empty()


def test_a_published_example_of_the_signature_is_ours() -> None:
    """The first test vector of the Standard Webhooks reference libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, name, stamp = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    assert webhook.signed(name, stamp, body, key)["webhook-signature"] == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
