"""The approvals of one process: the store's part, who settles by it, who is told, and the loops beside."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bearerd import log
from bearerd.approvals.book import Book, Bounds
from bearerd.approvals.events import Events
from bearerd.approvals.record import State, Verdict
from bearerd.approvals.settler import Confirmation
from bearerd.approvals.webhook import Webhook
from bearerd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.approvals.record import Approval, Approver
    from bearerd.config.model import Approvals as Settings
    from bearerd.decision import Now
    from bearerd.limits import Limits
    from bearerd.metrics import Metrics
    from bearerd.store.client import Client
    from bearerd.store.server import Durability

SWEEP_SECONDS: Final = 2.0  # between two looks at what has expired

_LOGGER: Final = logging.getLogger("bearerd.approval")


class Office:
    """See the module; ``settler.Office`` is what the settler sees of it."""

    def __init__(
        self,
        settings: Callable[[], Settings | None],
        limits: Limits,
        metrics: Metrics,
        subject: Callable[[str], str],
        now: Callable[[], Now],
    ) -> None:
        """``settings``: the table in use; ``subject``: how one is written in logs."""
        self._settings = settings
        self._bounds = Bounds(limits.max_approvals, limits.max_approvals_per_principal)
        self.most_bytes: Final = limits.max_approval_bytes
        self.now: Final = now
        self.events: Final = Events(metrics, subject)
        self.webhook: Final = Webhook(settings, metrics)
        self.settler: Final = Confirmation(self)
        self.book: Book | None = None

    @property
    def settings(self) -> Settings | None:
        """``[approvals]`` as it is now."""
        return self._settings()

    def join(self, client: Client, begin: Callable[[str, Callable[[], Awaitable[None]]], None] | None = None) -> None:
        """Keep approvals in this store.  ``begin``: of the slow loops (``loops.Loops``)."""
        self.book = Book(client, self._bounds)
        if begin is not None:
            begin("approvals", self.sweep)
            begin("webhook", self.webhook.run)

    def durable(self, durability: Durability) -> None:
        """What the server can give is known: approvals may be used from now on."""
        if self.book is not None:
            self.book.durability = durability

    def announce(self, approval: Approval) -> None:
        """Tell approvers of a new one."""
        self.webhook.put(approval)

    async def decide(self, approval: Approval, by: Approver, *, approved: bool) -> str:
        """Say yes or no for somebody who may: "ok", or why it came too late.  Raises StoreError."""
        if self.book is None:
            raise StoreError("there is no store")
        wall = self.now().wall
        said = await self.book.decide(approval, by, wall, approved=approved)
        if said == "ok":
            self.events.tell(
                State.APPROVED if approved else State.DENIED, decided(approval, Verdict(approved, by, wall))
            )
        return said

    async def sweep(self) -> None:
        """Tell of those that expired; a slow loop."""
        told = ""
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * SWEEP_SECONDS)  # noqa: S311 - jitter
            if self.book is None or self.settings is None:
                continue
            try:
                expired = await self.book.sweep()
            except StoreError as error:
                why = log.told(error)
                if why != told:  # once: the store's outage is told of elsewhere, too
                    _LOGGER.warning("approvals cannot be swept", extra={"detail": why})
                told = why
                continue
            told = ""
            for approval in expired:
                self.events.tell("expired", approval)


def decided(approval: Approval, verdict: Verdict) -> Approval:
    """The same with what was said of it."""
    return replace(approval, state=State.APPROVED if verdict.approved else State.DENIED, verdict=verdict)
