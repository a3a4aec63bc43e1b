"""Telling approvers that something waits for them: a signed POST to the operator's own URL (Standard Webhooks).

Best effort: the queue is bounded, what is in it ends with the process, and what cannot be delivered while it is worth
anything is given up, counted and logged.  The page lists what waits all the same.  No arguments are sent: a chat room is
no place for them, and who approves must read them on the page.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import random
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson

from bearerd import lines, log
from bearerd._native import clock
from bearerd.config import check_approvals, files

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.approvals.record import Approval
    from bearerd.config.model import Approvals as Settings
    from bearerd.metrics import Metrics

MOST_QUEUED: Final = 256
CARRIERS: Final = 4
TIMEOUT: Final = 5.0  # seconds for one attempt
FIRST_PAUSE: Final = 1.0  # seconds; doubles, with jitter
LONGEST_PAUSE: Final = 60.0

_LOGGER: Final = logging.getLogger("bearerd.approval")


class Webhook:
    """Of one process."""

    def __init__(
        self, settings: Callable[[], Settings | None], metrics: Metrics, *, pause: float = FIRST_PAUSE
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._pause = pause
        self._waiting: asyncio.Queue[tuple[Approval, float]] = asyncio.Queue()  # and how long it rests if it fails
        self._resting = 0  # that failed, and will wait again

    def put(self, approval: Approval) -> None:
        """Tell of this one; beyond ``MOST_QUEUED`` the newest is dropped and counted."""
        settings = self._settings()
        if settings is None or settings.webhook is None:
            return
        if self._waiting.qsize() + self._resting < MOST_QUEUED:
            self._waiting.put_nowait((approval, self._pause))
        else:
            self._metrics.inc("bearerd_approval_webhooks_total", "dropped")

    async def run(self) -> None:
        """A slow loop: a few at a time, so that no receiver is flooded; those that are refused for ever hold up nobody."""
        async with asyncio.TaskGroup() as carriers:
            for _ in range(CARRIERS):
                carriers.create_task(self._carry())

    async def _carry(self) -> None:
        while True:
            await self._deliver(*await self._waiting.get())

    async def _deliver(self, approval: Approval, pause: float) -> None:
        """One attempt.  What failed rests by itself: a few that rest here would be all that is carried."""
        settings = self._settings()
        if settings is None or settings.webhook is None:
            return
        if clock.wall() >= approval.expires_at:
            self._metrics.inc("bearerd_approval_webhooks_total", "given_up")
            return
        why = await self._tried(approval, settings)
        if not why:
            self._metrics.inc("bearerd_approval_webhooks_total", "delivered")
            return
        self._metrics.inc("bearerd_approval_webhooks_total", "failed")
        fields = {"approval": approval.id, "detail": why}
        log.event(_LOGGER, logging.WARNING, "approval webhook failed", fields)
        self._resting += 1
        seconds = random.uniform(0.5, 1.0) * pause  # noqa: S311 - jitter
        asyncio.get_running_loop().call_later(seconds, self._again, approval, min(2 * pause, LONGEST_PAUSE))

    def _again(self, approval: Approval, pause: float) -> None:
        self._resting -= 1
        self._waiting.put_nowait((approval, pause))

    async def _tried(self, approval: Approval, settings: Settings) -> str:
        """One attempt: why it failed, if it did.  Nothing that the receiver says is repeated."""
        try:
            key = await asyncio.to_thread(_secret, settings)
            body = message(approval, settings)
            async with aiohttp.ClientSession(
                connector=lines.Connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            ) as session:
                headers = signed(f"msg_{approval.id}", int(clock.wall()), body, key)
                url = str(settings.webhook)
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            return type(error).__name__


def message(approval: Approval, settings: Settings) -> bytes:
    """What is sent.  The digest tells two calls apart, and shows nobody what they say."""
    call = approval.call
    told: dict[str, Any] = {
        "type": "approval.opened",
        "id": approval.id,
        "url": None if settings.url is None else f"{settings.url.rstrip('/')}/a/{approval.id}",
        "resource": call.resource,
        "method": call.method,
        "tool": call.name,
        "subject": call.subject,
        "issuer": call.issuer,
        "client": call.client,
        "confirm": call.confirm,
        "arguments_digest": call.digest,
        "expires_at": log.stamp(approval.expires_at),
    }
    return orjson.dumps(told)


def signed(name: str, timestamp: int, body: bytes, key: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks; ``name`` is the same in every attempt."""
    mac = hmac.digest(key, f"{name}.{timestamp}.".encode() + body, "sha256")
    return {
        "Content-Type": "application/json",
        "User-Agent": "bearerd",
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _secret(settings: Settings) -> bytes:
    path = settings.webhook_secret_file
    if path is None:
        raise ValueError("there is no webhook_secret_file")
    return check_approvals.webhook_secret(files.read_secret(path))
