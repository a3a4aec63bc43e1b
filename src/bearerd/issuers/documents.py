"""What issuers say of themselves, kept for clients that look for it at a resource's origin (MCP of 2025-03-26).

A document is the issuer's own, byte for byte: nothing in it is ours, and where it is not known there is none.  It is fetched
with the checks that discovery makes, by a slow loop and never because somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.errors import IssuerFault
from bearerd.issuers import discovery
from bearerd.issuers.faults import reason_of
from bearerd.issuers.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp.abc import AbstractResolver

    from bearerd.config import model
    from bearerd.limits import Limits

LIFE: Final = 3600.0  # seconds until it is asked for again
FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 60.0
LOOK: Final = 0.5  # seconds between looks at what is wanted, and due

_log = logging.getLogger("bearerd.issuers")


@dataclass(slots=True)
class _Kept:
    """Of one issuer under one configuration."""

    config: model.Issuer
    body: bytes | None = None
    fetched: float = 0.0  # boot time
    due: float = 0.0  # boot time
    failures: int = 0  # in a row


class Documents:
    """Of the issuers that ``wanted`` names now; a reload changes what it says."""

    def __init__(
        self, wanted: Callable[[], Iterable[model.Issuer]], limits: Limits, resolver: AbstractResolver | None = None
    ) -> None:
        self._wanted = wanted
        self._limits = limits
        self._resolver = resolver
        self._kept: dict[str, _Kept] = {}

    def find(self, issuer: model.Issuer) -> bytes | None:
        """The issuer's document; None where it is not known, or too old (``key_set_max_stale``) to be passed on."""
        kept = self._kept.get(issuer.issuer)
        if kept is None or kept.config != issuer or clock.boot() - kept.fetched > issuer.key_set_max_stale:
            return None
        return kept.body

    async def run(self) -> None:
        """Keep them, for as long as nobody cancels this."""
        while True:
            self._match()
            now = clock.boot()
            await asyncio.gather(*(self._fetch(kept) for kept in self._kept.values() if now >= kept.due))
            await asyncio.sleep(LOOK)

    def _match(self) -> None:
        """An issuer that is configured otherwise begins anew: what was fetched from elsewhere is not its word now."""
        wanted = {issuer.issuer: issuer for issuer in self._wanted()}
        self._kept = {
            name: kept if (kept := self._kept.get(name)) is not None and kept.config == issuer else _Kept(issuer)
            for name, issuer in wanted.items()
        }

    async def _fetch(self, kept: _Kept) -> None:
        """One attempt; what was known before stays where it fails."""
        issuer, asked = kept.config, clock.boot()
        fetcher = Fetcher(issuer, self._limits.max_key_set_bytes, resolver=self._resolver)
        try:
            kept.body = await discovery.document(issuer.issuer, fetcher, self._limits)
        except IssuerFault as fault:
            told = {"issuer": issuer.name, "reason": reason_of(fault), "detail": str(fault)}
            _log.log(logging.DEBUG if kept.failures else logging.WARNING, "issuer_metadata_fetch_failed", extra=told)
            delay = min(FIRST_RETRY * 2 ** min(kept.failures, 10), LAST_RETRY)
            kept.failures += 1
        else:
            kept.fetched, kept.failures, delay = asked, 0, LIFE
        kept.due = clock.boot() + delay * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load
