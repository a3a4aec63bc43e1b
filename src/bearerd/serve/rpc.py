"""gRPC in one worker: a server of its own on the port that the supervisor holds.

grpcio binds, listens and closes by itself.  So a worker that leaves takes with it the connections that wait in its socket:
a rolling restart loses none of HTTP's requests, and perhaps some of gRPC's (Envoy tries once more where it is told to).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from bearerd._native.connection import HEAD_SECONDS, IDLE_SECONDS, STALLED_SECONDS
from bearerd.faces.grpc import authorization, health
from bearerd.serve.departure import CUT, LINGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.config.papers import Papers
    from bearerd.limits import Limits
    from bearerd.service import Service

RETRY_SECONDS: Final = 1.0  # where the port cannot be had
AGE_SECONDS: Final = 600.0  # of a connection, until it is told to go: no other limit ends a call that nobody reads
METADATA_BYTES: Final = 8 * 1024  # of a call, HTTP/2 header fields: Envoy's own are a few hundred
_LOGGER: Final = logging.getLogger("bearerd.worker")


class Rpc:
    """See the module."""

    def __init__(self, service: Service, addresses: list[str], most: int) -> None:
        """``most``: connections at once."""
        self._service = service
        self._most = most
        self._addresses = addresses
        self._check = authorization.Authorization(service)
        self._health = health.Health(lambda: bool(service.health()["ready"]))
        self._server: Any = None
        self._papers: Papers | None = None
        self._shown: list[_Shown] = []  # by address
        self._opening: asyncio.Task[None] | None = None
        self._last: asyncio.Future[None] | None = None  # the end of a server that another has replaced
        self._order = asyncio.Lock()
        self._when_open: Callable[[], None] = lambda: None

    def begin(self, opened: Callable[[], None]) -> None:
        """Answer from now on; ``opened`` is called once that is so."""
        self._when_open = opened
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
        elif self._opening.done() and self._server is not None:
            opened()

    async def take(self, papers: Papers | None) -> None:
        """Greet whoever connects from now on with these.

        Another certificate ends no connection.  That TLS begins or ends, or whether clients must show a certificate, is a
        matter of the whole server: a new one takes its place, and the old one's connections are told to go.
        """
        async with self._order:
            kind, self._papers = _kind(self._papers), papers
            if self._server is None:
                return
            if kind == _kind(papers) and papers is not None:
                for shown in self._shown:
                    shown.change(papers)
            elif kind != _kind(papers):
                before, self._server = self._server, await self._made()
                self._last = asyncio.ensure_future(before.stop(LINGER))

    async def leave(self, patience: float) -> int:
        """Answer what is under way, for at most so many seconds; returns how many calls were cut off.

        We go on accepting for a moment: a successor has yet to listen, or some have not yet noticed that nobody is ready.
        """
        self._health.leave()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        async with self._order:
            if self._server is None:
                return 0
            await asyncio.sleep(min(LINGER, patience / 2))
            patience = max(CUT, patience - LINGER)
            stopping = asyncio.ensure_future(self._server.stop(patience))
            await asyncio.wait({stopping}, timeout=max(0.0, patience - CUT / 2))
            left = self._check.under_way
            await stopping
            return left

    async def _open(self) -> None:
        told = False
        while True:
            try:
                async with self._order:
                    self._server = await self._made()
                break
            except RuntimeError:  # grpcio's words are that it failed
                if not told:
                    _LOGGER.error("gRPC cannot listen", extra={"addresses": self._addresses})
                told = True
                await asyncio.sleep(RETRY_SECONDS)
        self._when_open()

    async def _made(self) -> Any:
        """A server that listens."""
        server = grpc.aio.server(options=options(self._service.current.config.limits, self._most))
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    authorization.SERVICE,
                    {authorization.METHOD: grpc.unary_unary_rpc_method_handler(self._check.check)},
                ),
                grpc.method_handlers_generic_handler(
                    health.SERVICE,
                    {
                        "Check": grpc.unary_unary_rpc_method_handler(self._health.check),
                        "Watch": grpc.unary_stream_rpc_method_handler(self._health.watch),
                    },
                ),
            )
        )
        # Credentials of its own for each address: grpcio asks for what is new once for each set of them, and every address but
        # the first would be told of nothing new, not even of what to begin with.
        shown = [] if self._papers is None else [_Shown(self._papers) for _ in self._addresses]
        for number, address in enumerate(self._addresses):
            if shown:
                server.add_secure_port(address, shown[number].credentials)
            else:
                server.add_insecure_port(address)
        await server.start()
        self._shown = shown
        return server


def options(limits: Limits, most: int) -> list[tuple[str, int]]:
    """What one connection may do, and how many there may be.  A message is bounded as it arrives; compressed ones, which would grow, are refused."""
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.max_grpc_message_bytes),
        ("grpc.max_concurrent_streams", limits.max_grpc_calls),
        ("grpc.max_allowed_incoming_connections", most),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # identity
        ("grpc.server_handshake_timeout_ms", int(HEAD_SECONDS * 1000)),
        ("grpc.max_connection_idle_ms", int(IDLE_SECONDS * 1000)),
        ("grpc.max_connection_age_ms", int(AGE_SECONDS * 1000)),
        ("grpc.max_connection_age_grace_ms", int(STALLED_SECONDS * 1000)),
    ]


def _kind(papers: Papers | None) -> tuple[bool, bool]:
    """What a server cannot change: whether it speaks TLS, and whether clients must show a certificate."""
    return papers is not None, papers is not None and bool(papers.clients)


class _Shown:
    """The certificate that handshakes of one address begin with, from the next one on another if need be."""

    def __init__(self, papers: Papers) -> None:
        self._new: Any = None
        self._known: Any = None  # the last that was told of
        self.credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(papers), self._fetch, require_client_authentication=bool(papers.clients)
        )

    def change(self, papers: Papers) -> None:
        self._new = _configuration(papers)

    def _fetch(self) -> Any:
        """At each handshake, in a thread of grpcio's: None where nothing has changed."""
        found = self._new
        if found is self._known:
            return None
        self._known = found  # written by this thread alone: what changes meanwhile is told of at the next handshake
        return found


def _configuration(papers: Papers) -> Any:
    clients = papers.clients.encode() or None
    return grpc.ssl_server_certificate_configuration([(papers.key.encode(), papers.chain.encode())], clients)
