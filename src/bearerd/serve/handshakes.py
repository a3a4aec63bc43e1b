"""TLS on the connections of one process: by which papers it greets whoever comes, and what becomes of it.

The papers change between two handshakes, never within one: a connection keeps those with which it began.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from bearerd.config import papers as module
from bearerd.serve.records import Records

if TYPE_CHECKING:
    import asyncio

    from bearerd.config.papers import Papers
    from bearerd.metrics import Metrics

HANDSHAKE_SECONDS: Final = 10.0  # as long as a request's head may take
GOODBYE_SECONDS: Final = 5.0  # for the last answer to go out, and for the other end to say that it is over
MOST_UNSENT: Final = 64 * 1024  # bytes, as on a plain connection: left to itself, TLS takes eight times as many

_REASONS: Final = {
    "HTTP_REQUEST": "plain_http",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no_certificate",
    "UNSUPPORTED_PROTOCOL": "version",
}


class Handshakes:
    """See the module.  Without papers every connection is a plain one; unix sockets always are."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._context: ssl.SSLContext | None = None

    def take(self, papers: Papers | None) -> None:
        """For every connection from now on.  Raises ssl.SSLError, and goes on as before."""
        context = None if papers is None else module.context(papers)
        if context is not None:
            context.sslobject_class = Records
        self._context = context

    def terms(self, connection: socket.socket) -> dict[str, Any]:
        """Arguments for ``loop.connect_accepted_socket``; none for a plain connection."""
        if self._context is None or connection.family == socket.AF_UNIX:
            return {}
        return {
            "ssl": self._context,
            "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            "ssl_shutdown_timeout": GOODBYE_SECONDS,
        }

    def made(self, transport: asyncio.WriteTransport) -> None:
        """The handshake is over, and its connection may be, too."""
        good = transport.get_extra_info("ssl_object") is not None
        if good and not transport.is_closing():
            transport.set_write_buffer_limits(high=MOST_UNSENT)
        self._count("ok" if good else "hung_up")

    def failed(self, error: OSError) -> None:
        """There will be no connection."""
        self._count(result(error))

    def _count(self, how: str) -> None:
        self._metrics.inc("bearerd_tls_handshakes_total", how)


def result(error: OSError) -> str:
    """Why a handshake failed (``metrics.HANDSHAKES``)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""
        return "refused" if "_ALERT_" in reason else _REASONS.get(reason, "failed")
    # What the loop gives up by itself has no number of the kernel's.
    return "timeout" if isinstance(error, ConnectionAbortedError) and error.errno is None else "hung_up"
