"""bearerd in a Python program: the same decisions, without a gateway in between (contracts, section 7)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

from bearerd import request as view
from bearerd.config import load
from bearerd.flow import Decided, Flow
from bearerd.service import Service
from bearerd.store import embedded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from bearerd.config.model import Config
    from bearerd.decision import Decision, Pending
    from bearerd.request import Headers, Request

READY_SECONDS = 10.0  # a store that was running already is believed after a round of the fleet: about five
FACE = "python"


class Verifier:
    """Decides by a configuration file, with the revocations of its store.

    ::

        async with bearerd.Verifier.from_config("bearerd.toml") as verifier:
            decision = await verifier.verify(token, resource="api", method="GET", path="/orders/1")

    Of one event loop.  Where the configuration names no store, the embedded one of its ``data_dir`` is used: that of a
    running service, else one of this process's own.
    """

    def __init__(self, config: Config, data_dir: Path) -> None:
        self._config = config
        self._data_dir = data_dir
        self._running = contextlib.AsyncExitStack()
        self._service: Service | None = None
        self._flow: Flow | None = None

    @classmethod
    def from_config(cls, path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Self:
        """Read a configuration.  Raises bearerd.errors.ConfigError with all that is wrong with it."""
        config = load.load(path, environ)
        return cls(config, load.data_dir(config, path))

    async def __aenter__(self) -> Self:
        """Begin to follow the store and the issuers, and wait some seconds for both.

        Nothing is raised where they do not answer: until they do, tokens are refused as ``stale_state`` and
        ``issuer_unavailable``.  Raises ConfigError, StoreError where the embedded store cannot run.
        """
        async with contextlib.AsyncExitStack() as running:
            config = self._config
            ours = False
            if config.store.url is None:
                store = await embedded.attach_or_start(self._data_dir)
                running.push_async_callback(store.stop)
                ours = store.ours
                config = config.model_copy(update={"store": config.store.model_copy(update={"url": store.url})})
            service = Service(config, data_dir=self._data_dir, store_is_ours=ours)
            running.push_async_callback(service.close)
            await service.start()
            await service.ready(READY_SECONDS)
            self._service, self._flow = service, Flow(service)
            self._running = running.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._service = self._flow = None
        await self._running.aclose()

    async def verify(
        self,
        token: str | bytes | None,
        *,
        resource: str,
        method: str | None = None,
        path: str | None = None,
        host: str | None = None,
    ) -> Decision:
        """May this token do this, here, now?

        ``token`` without its scheme; None for a request without credentials.  ``path`` is the raw request target: as the
        client sent it, percent-encoded, with its query.  Without ``method`` and ``path`` a resource whose rules select by
        them refuses.  Never raises for what a token is; a token is None only where it decides nothing.
        """
        return await self._running_flow().decide(resource, _request(token, method, path, host), face=FACE)

    def verify_nowait(
        self,
        token: str | bytes | None,
        *,
        resource: str,
        method: str | None = None,
        path: str | None = None,
        host: str | None = None,
    ) -> Decision | Pending:
        """The same from memory, without waiting: Pending where a key must be fetched first (``verify`` does that)."""
        found = self._running_flow().run_now(resource, _request(token, method, path, host), face=FACE)
        return found.decision if isinstance(found, Decided) else found

    def _running_flow(self) -> Flow:
        if self._flow is None:
            raise RuntimeError("a Verifier decides only within its `async with`")
        return self._flow


def _request(token: str | bytes | None, method: str | None, path: str | None, host: str | None) -> Request:
    """The request that the program asks about.  The program is trusted: it is the one that would obey."""
    headers: Headers = ()
    if token is not None:
        credential = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else bytes(token)
        headers = ((b"Authorization", b"Bearer " + credential),)
    target = None if path is None else path.encode("utf-8", "surrogateescape")
    return view.of(method, target, host, headers, trusted=True, peer=FACE)
