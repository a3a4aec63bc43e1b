"""Exchanges with an OTLP collector, bounded: so many seconds and bytes for an answer, and no redirect is taken for a receipt.

OpenTelemetry's exporter counts whatever is below 400 as taken, older ones follow a redirect as a GET, without the records; its
time limit is one for each read, so that an answer of a byte a second lasts for ever; and it reads an answer whole, however long.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES: Final = 64 * 1024  # of an answer
SECONDS: Final = 10.0  # for an exchange whose maker names no time


class _Lines:
    """The connections that are there: one, as a rule, for a sink has one thread."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # whoever reads the answer keeps it
        self._begun: socket.socket | None = None  # a second hold on one that is being made: TLS takes the first away

    def began(self, line: socket.socket) -> None:
        """It is connected; TLS may follow."""
        self._begun = line.dup()

    def made(self, line: socket.socket | None) -> None:
        """It is ready, or has failed (None)."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.close()
        if line is not None:
            self._open.add(line)

    @contextlib.contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """What is within has so long; then its connection ends under it.  Raises requests.Timeout, too, for what looks whole."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            for line in (*self._open, *filter(None, (self._begun,))):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(line, socket.SHUT_RDWR)  # not TLS's own, which is for its thread

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if late.is_set():
            raise requests.Timeout(f"no answer within {seconds:g} s")


class _Adapter(HTTPAdapter):
    """Tells of each connection that it makes."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        super().init_poolmanager(*arguments, **settings)
        pools = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        self.poolmanager.pool_classes_by_scheme = {
            scheme: _watched(pool, self._lines) for scheme, pool in pools.items()
        }


def _watched(pool: Any, lines: _Lines) -> Any:
    """Such a pool, of connections that ``lines`` is told of."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            line = super()._new_conn()
            lines.began(line)
            return line

        def connect(self) -> None:
            try:
                super().connect()
            finally:
                lines.made(self.sock)

    return type("Pool", (pool,), {"ConnectionCls": Connection})


class Session(requests.Session):
    """What the exporter sends by.  ``receipt`` is told the body of each answer that says yes."""

    def __init__(self, receipt: Callable[[bytes], None]) -> None:
        super().__init__()
        self._receipt = receipt
        lines = self._lines = _Lines()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(lines))

    def request(self, method: Any, url: Any, *arguments: Any, **settings: Any) -> requests.Response:
        """Raises requests.RequestException for whatever is no answer to these records."""
        own = {"stream": True, "allow_redirects": False}
        with self._lines.cut_after(settings.get("timeout") or SECONDS):
            answer = super().request(method, url, *arguments, **settings | own)
            with contextlib.closing(answer):
                body = _read(answer)
        if 300 <= answer.status_code < 400:
            raise requests.RequestException("a redirect: the records went no further")
        if answer.status_code < 300:
            self._receipt(body)
        return _whole(answer, body)


def _read(answer: requests.Response) -> bytes:
    body = bytearray()
    for piece in answer.iter_content(8192):
        body += piece
        if len(body) > MOST_BYTES:
            raise requests.RequestException("an answer without end")
    return bytes(body)


def _whole(answer: requests.Response, body: bytes) -> requests.Response:
    """The same answer, of which everything is there."""
    made = requests.Response()
    made.status_code, made.reason, made.url, made.headers = (
        answer.status_code,
        answer.reason,
        answer.url,
        answer.headers,
    )
    made.raw = io.BytesIO(body)
    return made
