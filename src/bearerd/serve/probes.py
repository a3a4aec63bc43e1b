"""The probes listener: ``/livez``, ``/readyz``, ``/metrics``, over all workers.

Whoever can reach it may ask, so it says names of components and faults, numbers and times; no URL, no subject, no reason in words.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from bearerd import metrics
from bearerd._native import clock
from bearerd.serve.desk import readiness
from bearerd.serve.http import document, json_answer, problems_as_json

if TYPE_CHECKING:
    from bearerd.serve.desk import Desk


class _Probes:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._scrape: asyncio.Task[bytes] | None = None

    async def live(self, request: web.Request) -> web.Response:
        """The supervisor's loop turns."""
        return json_answer({"live": True})

    async def ready(self, request: web.Request) -> web.Response:
        """Whether to be asked."""
        desk = self._desk
        able, components = readiness(desk)
        desk.readiness_asked = clock.boot()
        if desk.draining:
            desk.unreadiness_seen.set()
        return json_answer(components, 200 if able else 503)

    async def scrape(self, request: web.Request) -> web.Response:
        """All metrics of all workers, those of the dead included.

        Of hundreds of resources that takes seconds: a thread does it, one at a time, and whoever asks meanwhile shares it.
        """
        if self._scrape is None or self._scrape.done():
            self._scrape = asyncio.create_task(asyncio.to_thread(metrics.render, self._desk.pages.copies()))
        found = await asyncio.shield(self._scrape)
        return document(found, metrics.CONTENT_TYPE)


def app(desk: Desk) -> web.Application:
    """The application of ``server.probes``."""
    probes = _Probes(desk)
    made = web.Application(middlewares=[problems_as_json])
    made.router.add_get("/livez", probes.live)
    made.router.add_get("/readyz", probes.ready)
    made.router.add_get("/metrics", probes.scrape)
    return made
