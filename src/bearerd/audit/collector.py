"""Exchanges with an OTLP collector, bounded: so many seconds and bytes for an answer, and no redirect is taken for a receipt.

OpenTelemetry's exporter counts whatever is below 400 as taken, older ones follow a redirect as a GET, without the records; its
time limit is one for each read, so that an answer of a byte a second lasts for ever; and it reads an answer whole, however long.
It comes again by itself, but forgets a `Retry-After` beyond its time, and says what failed with the URL, query and all.  So what
went wrong is ours to say, and when to come again the feeder's to see to.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import threading
import time
import weakref
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES: Final = 64 * 1024  # of an answer
SECONDS: Final = 10.0  # for an exchange whose maker names no time
MOST_SECONDS: Final = 86_400.0  # of what its maker names: a timer takes no infinity
_DELAY: Final = re.compile("[0-9]{1,9}")
_MOST_CAUSES: Final = 10


class Trouble(requests.RequestException):
    """Why the records were not taken, in our words; the exporter takes it for nothing to try again."""

    def __init__(self, why: str, status: int | None = None, after: float | None = None) -> None:
        """``after``: seconds until which the collector asks us to wait."""
        super().__init__(why)
        self.why: Final = why
        self.status: Final = status
        self.after: Final = after


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
        except (requests.RequestException, OSError):
            if not late.is_set():  # or else it is the cut that shows
                raise
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
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
        """Through a proxy that the environment names, too."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **settings)
        if not known:
            self._watch(manager)
        return manager

    def _watch(self, manager: Any) -> None:
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _watched(pool, self._lines) for scheme, pool in pools.items()}


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
        self.trouble: Trouble | None = None  # of the last exchange
        lines = self._lines = _Lines()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(lines))

    def request(self, method: Any, url: Any, *arguments: Any, **settings: Any) -> requests.Response:
        """Raises Trouble for whatever is no answer that says yes to these records."""
        self.trouble = None
        try:
            answer, body = self._asked(method, url, *arguments, **settings)
            if answer.status_code >= 300:
                raise Trouble(_named(answer.status_code), answer.status_code, _after(answer))
        except Trouble as trouble:
            self.trouble = trouble
            raise
        except (requests.RequestException, OSError, ValueError) as error:
            self.trouble = Trouble(_why(error))
            raise self.trouble from None  # its words hold the URL
        self._receipt(body)
        return _whole(answer, body)

    def _asked(self, method: Any, url: Any, *arguments: Any, **settings: Any) -> tuple[requests.Response, bytes]:
        """Its answer.  Of a connection that was kept for long the other side may have let go: another is tried, once."""
        if settings.get("verify") is None:
            # Or else REQUESTS_CA_BUNDLE would go before the certificate that is named for this.
            settings["verify"] = self.verify
        until = time.monotonic() + min(settings.get("timeout") or SECONDS, MOST_SECONDS)
        try:
            return self._once(until, method, url, *arguments, **settings)
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            return self._once(until, method, url, *arguments, **settings)

    def _once(
        self, until: float, method: Any, url: Any, *arguments: Any, **settings: Any
    ) -> tuple[requests.Response, bytes]:
        left = max(until - time.monotonic(), 0.001)
        own = {"stream": True, "allow_redirects": False, "timeout": left}
        with self._lines.cut_after(left):
            answer = super().request(method, url, *arguments, **settings | own)
            with contextlib.closing(answer):
                return answer, _read(answer)


def _named(status: int) -> str:
    """In the standard's words: those of the answer are somebody else's."""
    if 300 <= status < 400:
        return f"a redirect ({status}): the records went no further"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _after(answer: requests.Response) -> float | None:
    """``Retry-After``: so many seconds, or until a date.  None: it does not say."""
    said = answer.headers.get("Retry-After", "").strip()
    if _DELAY.fullmatch(said):
        return float(said)
    try:
        return max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _why(error: BaseException) -> str:
    """What lies beneath, without the words of whoever passed it on."""
    if type(error) is OSError and error.errno is None:  # requests, before it connects; its words are the path
        return "a certificate, or key, that OpenTelemetry's variables name is not there"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    found, cause = type(error).__name__, _beneath(error)
    for _ in range(_MOST_CAUSES):
        if cause is None:
            break
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            said = getattr(cause, "verify_message", "") or cause.strerror
            found = said or (found if type(cause) is OSError else type(cause).__name__)
        cause = _beneath(cause)
    return found


def _beneath(error: BaseException) -> BaseException | None:
    """Its cause: libraries name it thus, or hand it over as an argument."""
    inner = getattr(error, "reason", None) or next((part for part in error.args if isinstance(part, Exception)), None)
    return inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


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
