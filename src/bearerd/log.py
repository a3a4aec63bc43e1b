"""JSON lines on standard error, and the rule that no credential leaves the process in one.

Three walls stand between a token and the log.  First, nothing of bearerd passes one to a logger.  Second, what other
libraries say about a *request* is not repeated at all: aiohttp's parser errors quote the offending header, so records of
``aiohttp.*``, and of OpenTelemetry's exporter, which quotes its URL and its headers, keep their place and the exception's type
and lose their words.  Third, every text that is left goes through ``redact``, which takes out whatever looks like a credential.

An exception is logged as its type and the places it passed, never as its own words, unless it is one of ours.
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.errors import BearerdError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from types import TracebackType

MOST_QUEUED: Final = 10_000  # lines that wait for a slow reader; further ones are counted and dropped
MOST_TEXT: Final = 1_000  # characters of one field
MOST_NAME: Final = 64  # characters of a field's name that is remembered
MOST_FRAMES: Final = 12  # places of one exception
REDACTED: Final = "[redacted]"

# A scheme and what follows it; an API key, whole or cut; base64url of '{"' or '{ ' and what follows; long parts with a dot; one very long part.
_CREDENTIAL: Final = re.compile(
    r"(?<![A-Za-z])(?i:bearer|basic|dpop|negotiate)(?:[\s:=+]|\\[a-z0-9]+|%[0-9A-Fa-f]{2})+(?!\[)[^\s,;\"']{8,}"
    r"|(?i:brd(?:_|%5f|\\x5f|\\u005f))[A-Za-z0-9_%\\-]{5,}"
    r"|ey[ABIJ][A-Za-z0-9_=+/%.\\-]{5,}"
    r"|[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*)?"
    r"|[A-Za-z0-9_-]{65,}"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# What a LogRecord has of its own: everything else came by ``extra``.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "fields"}


LEAST_CREDENTIAL: Final = 8  # characters: nothing shorter looks like one
LEAST_RUN: Final = 65  # characters of one part without dots


class Clean(dict[str, Any]):
    """Fields that have been through ``clean`` already."""


def redact(text: str) -> str:
    """Text without whatever looks like a credential, without control characters, cut to ``MOST_TEXT``."""
    # Most texts are words and digests: without a separator, only "ey" could begin anything (an API key has its underscore).
    if text.isascii() and text.isalnum() and len(text) < (LEAST_CREDENTIAL if "ey" in text else LEAST_RUN):
        return text
    if len(text) > MOST_TEXT:
        # A cut must not leave the head of a long token below the lengths that the pattern looks for.
        text = _CREDENTIAL.sub(REDACTED, text[: 4 * MOST_TEXT])[:MOST_TEXT] + "…"
    return _CONTROL.sub("?", _CREDENTIAL.sub(REDACTED, text))


_kept: Final = lru_cache(1024)(redact)


def _name(text: str) -> str:
    """Of a field: there are a few.  What a stranger calls his is not kept: a thousand names of a megabyte each would be."""
    return _kept(text) if len(text) <= MOST_NAME else redact(text)


def clean(value: Any) -> Any:
    """The same for every text within a JSON-able value; what is not JSON-able becomes its type's name."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:40]  # JSON's writer knows 64 bits
    if isinstance(value, dict):
        return {_name(str(name)): clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(part) for part in value]
    return f"<{type(value).__name__}>"


def told(error: BaseException) -> str:
    """What may be said of an exception: its type, and its own words only where we chose them."""
    name = type(error).__name__
    if isinstance(error, BearerdError):
        return redact(f"{name}: {error}")
    if isinstance(error, OSError) and error.strerror:
        return redact(f"{name}: {error.strerror}")
    return name


def places(error: BaseException) -> list[str]:
    """Where an exception and its causes passed, innermost last: ``file.py:12 function``."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines[:0] = [*_frames(current.__traceback__), told(current)]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines[-MOST_FRAMES:]


def _frames(trace: TracebackType | None) -> list[str]:
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{_short(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return lines


def _short(file: str) -> str:
    """The last two parts of a file's path: enough to find it, and nothing of the machine."""
    return "/".join(file.rsplit("/", 2)[-2:])


class Wordless(logging.Filter):
    """For loggers whose words quote requests: keeps the place and the exception's type."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.msg = f"{record.name} {record.funcName}:{record.lineno}" + (f" {type(error).__name__}" if error else "")
        record.args = None
        record.exc_info = record.exc_text = record.stack_info = None
        return True


_WORDLESS: Final = Wordless("wordless")
_QUOTING: Final = (
    "aiohttp.access",
    "aiohttp.client",
    "aiohttp.internal",
    "aiohttp.server",
    "aiohttp.web",
    "aiohttp.websocket",
    "grpc._common",
    "grpc._cython.cygrpc",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.util.re",
    "urllib3.connectionpool",
)


def silence_quotes() -> None:
    """Put ``Wordless`` on aiohttp's loggers, so that no handler of anyone sees a quoted request."""
    for name in _QUOTING:
        logger = logging.getLogger(name)
        if _WORDLESS not in logger.filters:
            logger.addFilter(_WORDLESS)


class JsonLines(logging.Formatter):
    """One record, one line of JSON.

    ``logger.warning("what happened", extra={"issuer": name})`` becomes ``{"ts", "level", "event", "issuer"}``; a record
    of another library gets ``"event": "log"`` and its ``logger`` and ``message``.
    """

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record).decode()

    def line(self, record: logging.LogRecord) -> bytes:
        """The line, without its end."""
        fields: dict[str, Any] = {}
        if record.name.partition(".")[0] == "bearerd":
            fields["event"] = _message(record)
        else:
            fields |= {"event": "log", "logger": record.name, "message": _message(record)}
        fields |= {name: value for name, value in vars(record).items() if name not in _OWN}
        own = vars(record).get("fields")
        if isinstance(own, dict) and not isinstance(own, Clean):
            fields |= own
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = told(record.exc_info[1])
            fields["places"] = places(record.exc_info[1])
        line = {"ts": stamp(record.created), "level": record.levelname.lower(), **clean(fields)}
        if isinstance(own, Clean):
            line |= own
        return orjson.dumps(line, option=orjson.OPT_NON_STR_KEYS)


def stamp(seconds: float) -> str:
    """Seconds since the epoch in RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a log call with the wrong arguments must not lose the line
        return str(record.msg)


class Lines:
    """One thread that writes lines to a file descriptor: a reader that is slow never holds up a decision."""

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="bearerd-log", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line (without its end); beyond ``MOST_QUEUED`` it is dropped and counted."""
        with self._wake:
            if self._closed or len(self._waiting) >= MOST_QUEUED:
                self.dropped += 1
                return
            self._waiting.append(line)
            self._wake.notify()

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, for at most ``patience`` seconds."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closed:
                    self._wake.wait()
                if not self._waiting:
                    return
                lines = list(self._waiting)
                self._waiting.clear()
            for line in lines:
                self._write(line + b"\n")

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[written(self._descriptor, data) :]
        except OSError:  # the reader is gone; serving goes on
            self.dropped += 1


def written(descriptor: int, data: bytes) -> int:
    """As ``os.write``, also where whoever gave us the descriptor has it refuse to wait: half a line is no line."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()


class _Handler(logging.Handler):
    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines
        self._formatter = JsonLines()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.lines.put(self._formatter.line(record))
        except Exception:  # noqa: BLE001 - the standard library would print the record, words and all
            self.lines.put(b'{"level":"error","event":"a log record could not be written"}')


_handler: _Handler | None = None
_lost = 0
logging.getLogger("bearerd").addHandler(logging.NullHandler())  # silent within a program that configures no logging


def _standard() -> int:
    """Standard error's number.  Python has no stream there if it was closed when it began."""
    return sys.stderr.fileno() if sys.stderr is not None else 2


def setup(level: str = "info", descriptor: int | None = None) -> None:
    """Send every logger of this process to ``descriptor`` (default: standard error).  Once a process, after any fork."""
    global _handler, _lost
    close()
    _lost = 0
    silence_quotes()
    _handler = _Handler(Lines(_standard() if descriptor is None else descriptor))
    root = logging.getLogger()
    root.handlers[:] = [_handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def close() -> None:
    """Write what waits and let go of the root logger."""
    global _handler
    if _handler is not None:
        logging.getLogger().removeHandler(_handler)
        _handler.lines.close()
        _handler = None


def dropped() -> int:
    """Lines that were dropped since ``setup``, and those that a handler of the program around us raised for."""
    return _lost + (0 if _handler is None else _handler.lines.dropped)


def event(
    logger: logging.Logger, level: int, name: str, fields: Mapping[str, Any], error: BaseException | None = None
) -> None:
    """Log an event with fields whose names are not Python identifiers (``http.request.method``).

    Never raises: on the way to a decision, a log that fails must not change it.  The line counts as dropped.
    """
    global _lost
    try:
        if logger.isEnabledFor(level):
            caught = None if error is None else (type(error), error, error.__traceback__)
            extra = {"fields": fields if isinstance(fields, Clean) else dict(fields)}
            # Not ``log``, which walks the stack: whence it came, the event's name says.
            logger.handle(logger.makeRecord(logger.name, level, __file__, 0, name, (), caught, extra=extra))
    except Exception:  # noqa: BLE001 - a handler that is not ours may raise anything
        _lost += 1


def on_loop_exception(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """For ``loop.set_exception_handler``: asyncio's own would print handles and futures, arguments and all."""
    error = context.get("exception")
    logging.getLogger("bearerd.loop").error(
        "an exception nobody awaited",
        exc_info=error if isinstance(error, BaseException) else None,
    )
