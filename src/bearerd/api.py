"""bearerd in a Python program: the same decisions, without a gateway in between (contracts, section 7)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bearerd import request as view
from bearerd.audit.recorder import Trail
from bearerd.config import load
from bearerd.decision import Pending
from bearerd.flow import Decided, Flow
from bearerd.loops import Loops
from bearerd.mcp import errors
from bearerd.mcp.extent import too_much
from bearerd.mcp.operation import Misread, Operation
from bearerd.policy import decide
from bearerd.refusals import Code, Refusal
from bearerd.service import Service
from bearerd.store import embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from bearerd.config.model import Config
    from bearerd.config.model import Resource as Table
    from bearerd.current import Current
    from bearerd.decision import Decision
    from bearerd.mcp.listing import Tool
    from bearerd.request import Headers, Request
    from bearerd.store.embedded import Embedded
    from bearerd.verify.verified import Verified

READY_SECONDS = 10.0  # a store that was running already is believed after a round of the fleet: about five
FACE = "python"


class Judged(NamedTuple):
    """A decision, and what an adapter needs beside it to answer with."""

    decided: Decided
    verified: Verified | None  # what the token says, where it was a good one; the decision may refuse it even so


class Verifier:
    """Decides by a configuration file, with the revocations of its store.

    ::

        async with bearerd.Verifier.from_config("bearerd.toml") as verifier:
            decision = await verifier.verify(token, resource="api", method="GET", path="/orders/1")

    Of one event loop, and of one process: a child that was forked off enters its own.  It may be entered by several at
    once, and runs until the last of them leaves.  Where the configuration names no store, the embedded one of its
    ``data_dir`` is used: that of a running service, else one of this process's own.
    """

    def __init__(self, config: Config, data_dir: Path) -> None:
        self._config = config
        self._data_dir = data_dir
        self._settle()

    def _settle(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin anew in a loop, with nobody in it yet."""
        self._home, self._process, self._users = loop, os.getpid(), 0
        self._turn = asyncio.Lock()  # of starting and ending
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
        ``issuer_unavailable``.  Raises ConfigError, StoreError where the embedded store cannot run, and RuntimeError where
        it runs in another event loop.
        """
        loop = asyncio.get_running_loop()
        if self._home is None or self._home.is_closed() or self._process != os.getpid():
            self._settle(loop)
        elif self._home is not loop:
            raise RuntimeError(_ELSEWHERE)
        self._users += 1
        try:
            async with self._turn:
                if self._flow is None:
                    await self._start()
        except BaseException:
            self._users -= 1
            if not self._users:
                self._home = None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process != os.getpid():
            return  # what runs is the parent's, its store among it
        self._users -= 1
        async with self._turn:
            if self._users > 0 or self._flow is None:
                return
            self._service = self._flow = None
            running, self._running = self._running, contextlib.AsyncExitStack()
            try:
                await running.aclose()
            finally:
                if not self._users:
                    self._home = None

    async def _start(self) -> None:
        async with contextlib.AsyncExitStack() as running:
            config, store = self._config, None
            if config.store.url is None:
                store = await embedded.attach_or_start(self._data_dir)
                running.push_async_callback(store.stop)
                config = config.with_store(store.url)
            service = Service(config, data_dir=self._data_dir, store_is_ours=store is not None and store.ours)
            if store is not None:
                following = Loops()
                following.begin("store", functools.partial(_followed, store, service))
                running.push_async_callback(following.close)
            running.push_async_callback(service.close)
            await service.start()
            await service.ready(READY_SECONDS)
            self._service, self._flow = service, Flow(service)
            self._running = running.pop_all()

    async def verify(
        self,
        token: str | bytes | None,
        *,
        resource: str,
        method: str | None = None,
        path: str | None = None,
        host: str | None = None,
        operation: Operation | None = None,
        tool: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Decision:
        """May this token do this, here, now?

        ``token`` without its scheme; None for a request without credentials.  ``path`` is the raw request target: as the
        client sent it, percent-encoded, with its query.  Without ``method`` and ``path`` a resource whose rules select by
        them refuses.  ``tool`` and its ``arguments``: a call of an MCP server's tool; ``operation``: whatever else is asked
        of one.  Never raises for what a token is; a token is None only where it decides nothing.
        """
        asked = self._bounded(_request(token, method, path, host, _operation(operation, tool, arguments)))
        return await self._running_flow().decide(resource, asked, face=FACE)

    def verify_nowait(
        self,
        token: str | bytes | None,
        *,
        resource: str,
        method: str | None = None,
        path: str | None = None,
        host: str | None = None,
        operation: Operation | None = None,
        tool: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Decision | Pending:
        """The same from memory, without waiting: Pending where a key must be fetched first (``verify`` does that)."""
        asked = self._bounded(_request(token, method, path, host, _operation(operation, tool, arguments)))
        found = self._running_flow().run_now(resource, asked, face=FACE)
        return found.decision if isinstance(found, Decided) else found

    # ---- for adapters (``bearerd.adapters``) ----

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Running for as long as an application lives.  One that the program runs in another loop is only used."""
        home = self._home
        if self.running and home is not None and not home.is_closed() and home is not asyncio.get_running_loop():
            yield
            return
        async with self:
            yield

    async def judge(self, request: Request, resource: str) -> Judged:
        """Decide a request that an adapter has read, as ``verify`` does."""
        trail = Trail()
        decided = await self._running_flow().run(resource, request, face=FACE, trail=trail)
        return Judged(decided, trail.verified)

    async def admit(self, token: str | bytes, resource: str) -> Judged:
        """Whether a token is one for this resource, with the scopes that all of it needs.

        No rule is asked: it is not known yet what the token is to be used for, and each use is decided by itself.
        """
        trail = Trail()
        asked = _request(token, None, None, None, None)
        decided = await self._running_flow().run(resource, asked, face=FACE, trail=trail, by_rules=False)
        return Judged(decided, trail.verified)

    def could(self, token: str | None, resource: str, operation: Operation) -> bool:
        """Whether a token that is known may do this with some arguments or other: it is neither counted nor logged."""
        service, request, trail = self._service, self.asked(token, operation), Trail()
        found = self._running_flow().decide_now(resource, request, trail=trail, by_rules=False)
        if service is None or trail.verified is None or isinstance(found, Pending) or not found.allowed:
            return False
        return decide.may_ask(service.current.policy.resources[resource], request, trail.verified)

    def reviewed(self, resource: str) -> bool:
        """Whether the configuration names a list of reviewed tools (``tools_file``): then ``listed`` has something to do."""
        return self._service is not None and self._service.reviews.has(resource)

    def listed(self, resource: str, tools: Iterable[Tool]) -> None:
        """What the server lists, as its clients are to read it: a tool that is not what was reviewed is denied from now on.

        ``mcp.listing.tools_of`` makes them.  The rest of the fleet learns it from the store.
        """
        if self._service is None:
            raise RuntimeError(_OUTSIDE)
        self._service.reviews.see(resource, tools)

    def asked(self, token: str | None, operation: Operation) -> Request:
        """The view of an operation of which its HTTP request says nothing more."""
        return self._bounded(_request(token, None, None, None, operation))

    def table(self, resource: str) -> Table:
        """What the configuration says of a resource.  Raises LookupError where it has none of this name."""
        try:
            return self._config.resource[resource]
        except KeyError:
            known = ", ".join(self._config.resource) or "none"
            raise LookupError(f"the configuration has no resource {resource!r}, but: {known}") from None

    def issuers(self, resource: str) -> tuple[str, ...]:
        """Who issues tokens for it: the URLs of the issuers that it accepts."""
        named = self.table(resource).issuers
        return tuple(
            issuer.issuer
            for issuer in self._config.issuer
            if named is None or issuer.issuer in named or issuer.name in named
        )

    @property
    def current(self) -> Current:
        """What belongs to the configuration in use."""
        if self._service is None:
            raise RuntimeError(_OUTSIDE)
        return self._service.current

    @property
    def running(self) -> bool:
        """Whether it decides: within its ``async with``."""
        return self._flow is not None and self._process == os.getpid()

    def _bounded(self, asked: Request) -> Request:
        """Without arguments that are more than a message may bring, and refused: no body has been counted here."""
        operation = asked.operation
        if operation is None or not operation.arguments:
            return asked
        limits = self._config.limits
        depth = limits.max_mcp_depth - 2  # of the message, and of its params
        fault = too_much(operation.arguments, limits.max_mcp_values, depth)
        if fault is None:
            return asked
        refusal = Refusal(Code.BAD_REQUEST, fault)
        misread = Misread(refusal, operation.mode, errors.INVALID_REQUEST, operation.id)
        return asked._replace(operation=operation._replace(arguments=None), misread=misread)

    def _running_flow(self) -> Flow:
        if self._flow is None:
            raise RuntimeError(_OUTSIDE)
        if self._process != os.getpid():  # nothing follows the revocations here
            raise RuntimeError(_FORKED)
        return self._flow


_OUTSIDE = "a Verifier decides only within its `async with`"
_ELSEWHERE = "the Verifier runs in another event loop: make one of each loop's own, by from_config"
_FORKED = "the Verifier runs in the process that this one was forked from: each process has its own `async with`"


async def _followed(store: Embedded, service: Service) -> None:
    """An embedded store that was started again, by whomever, listens elsewhere."""
    while True:
        await store.renewed()
        service.store_moved(store.url)


def _operation(operation: Operation | None, tool: str | None, arguments: Mapping[str, Any] | None) -> Operation | None:
    """What is asked of an MCP server.  The program has read it: no header stands for it, so it is decided as a body is."""
    if tool is None:
        if arguments is not None:
            raise TypeError("arguments are those of a tool: say which, or give an operation")
        return operation
    if operation is not None:
        raise TypeError("either a tool or an operation")
    return Operation("tools/call", tool, "body", arguments={} if arguments is None else arguments)


def _request(
    token: str | bytes | None, method: str | None, path: str | None, host: str | None, operation: Operation | None
) -> Request:
    """The request that the program asks about.  The program is trusted: it is the one that would obey."""
    headers: Headers = ()
    if token is not None:
        credential = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else bytes(token)
        headers = ((b"Authorization", b"Bearer " + credential),)
    asked = view.of(method, None if path is None else _octets(path), host, headers, trusted=True, peer=FACE)
    return asked if operation is None else asked._replace(operation=operation)


def _octets(path: str) -> bytes:
    """A target as it came: bytes that are no UTF-8 stand in text as ``surrogateescape`` has them.

    What no bytes are decoded to becomes some that no path may have.
    """
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")
