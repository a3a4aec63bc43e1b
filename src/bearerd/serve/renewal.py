"""Certificates that are renewed while bearerd runs: the files of ``[server.tls]`` are followed, and taken whole or not.

The supervisor alone reads them, so that all workers show the same, and a worker that starts while a file is broken shows
what the others do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.config import check_tls, papers
from bearerd.errors import ConfigError
from bearerd.serve.reload import POLL_SECONDS, signature

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.config.model import Server
    from bearerd.config.papers import Papers
    from bearerd.metrics import Metrics
    from bearerd.serve.reload import Signature

EXPIRY: Final = "bearerd_certificate_expiry_timestamp_seconds"
SUCCESSFUL: Final = "bearerd_certificate_last_reload_successful"

_LOGGER: Final = logging.getLogger("bearerd.supervisor")


class Renewal:
    """The papers in use, and why those on disk are not."""

    def __init__(self, server: Server, own: Metrics) -> None:
        """Reads them for the first time.  Raises ConfigError."""
        self.papers: Papers | None = None
        self.problem: str | None = None
        self._server = server
        self._metrics = own
        self.use(server, self.read(server))

    def read(self, server: Server) -> Papers | None:
        """What the files hold; None where there is no TLS.  Raises ConfigError where they are not to be used."""
        if server.tls is None:
            return None
        found = papers.read(server.tls, production=server.profile == "production")
        if self.papers is not None and found.ends <= clock.wall() < self.papers.ends:
            wrong = f"{server.tls.certificate_file} has expired, and the certificate in use has not"
            raise ConfigError("server.tls", [("server.tls.certificate_file", wrong, "put a current one into place")])
        return found

    def use(self, server: Server, found: Papers | None) -> None:
        """They are in use from now on."""
        self._server, self.papers = server, found
        if found is None:
            for name in (EXPIRY, SUCCESSFUL):
                self._metrics.hide(name)
        else:
            self._metrics.set(found.ends, EXPIRY)
        self._told(None)

    async def renew(self, hand_out: Callable[[Papers], Awaitable[None]]) -> None:
        """Take what the files hold now, or say why not and go on with what there is."""
        server, before, problem, found = self._server, self._signatures(), None, None
        try:
            found = await asyncio.to_thread(self.read, server)
        except ConfigError as error:
            problem = "; ".join(f"{key}: {wrong} ({remedy})" for key, wrong, remedy in error.problems)
        if self._signatures() != before:
            return  # somebody writes: the next look sees it
        if found is None:
            self._told(problem)
        elif found == self.papers:
            self.use(server, found)
        else:
            await hand_out(found)
            self.use(server, found)
            _LOGGER.info("the certificate was renewed", extra={"detail": papers.ending(found, clock.wall())})

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Call ``changed`` after each change of a file, once all have kept still for a poll.  Runs for ever."""
        known = seen = self._signatures()
        while True:
            await asyncio.sleep(POLL_SECONDS)
            now = self._signatures()
            if now == seen and now != known:
                known = now
                await changed()
            seen = now

    def warnings(self) -> list[str]:
        """For whoever asks for readiness."""
        if self.papers is None:
            return []
        left = self.papers.ends - clock.wall()
        found = ["certificate_expired" if left <= 0 else "certificate_expires_soon"] if left < check_tls.SOON else []
        return [*found, "certificate_not_reloaded"] if self.problem is not None else found

    def _signatures(self) -> tuple[Signature, ...]:
        tls = self._server.tls
        files = () if tls is None else (tls.certificate_file, tls.key_file, tls.client_ca_file)
        return tuple(signature(path) for path in files if path is not None)

    def _told(self, problem: str | None) -> None:
        if self.papers is not None:
            self._metrics.set(float(problem is None), SUCCESSFUL)
        if problem is not None and problem != self.problem:
            _LOGGER.error("the certificate is not taken into use; the old one stays", extra={"problem": problem})
        self.problem = problem
