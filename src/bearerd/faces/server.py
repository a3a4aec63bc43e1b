"""aiohttp's HTTP server, so bounded and so discreet as a face of bearerd must be.

aiohttp's parser quotes the offending header in its errors, and its handler puts them into the log *and* the 400 body: a
NUL in an Authorization field would publish the token.  It also accepts heads of any length in all (a hundred fields of
32 KiB each), lets a client take an hour to send one, and waits without end for one that reads nothing.  Here a request that
cannot be parsed gets a fixed answer, a head beyond a limit gets 431, and a slow head or reader ends its connection.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from bearerd._native.connection import HEAD_SECONDS, IDLE_SECONDS, LARGE, STALLED_SECONDS
from bearerd.faces.answer import SOFTWARE, unread
from bearerd.log import silence_quotes
from bearerd.refusals import Code
from bearerd.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from bearerd.limits import Limits

APP_IDLE_SECONDS: Final = 75.0  # of a connection to an application of ours, which takes a few hundred


class HeadTooLarge(Exception):
    """A request head beyond one of the limits."""


class Handler(RequestHandler):
    """One connection."""

    __slots__ = (
        "_ends",
        "_head_bytes",
        "_head_timer",
        "_last_payload",
        "_late",
        "_line",
        "_miscounted",
        "_most_head_bytes",
        "_refused",
        "_stalled",
        "_turns",
        "dialect",
        "peer",
    )

    def __init__(self, manager: Server, *, max_head_bytes: int, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._turns = manager.turns
        self._late: bytes | None = None  # what waits for its turn to be read
        self._most_head_bytes = max_head_bytes
        self._head_bytes = 0  # of a head that is not yet whole
        self._head_timer: asyncio.TimerHandle | None = None
        self._last_payload: Any = EMPTY_PAYLOAD
        self._ends = False  # nothing is read behind its last request, such as a chunked one
        self._miscounted = False  # a body came after its head: see ``_take_rest``
        self._refused = False  # a head was bad or too large: nothing after it is parsed
        self._line: asyncio.Transport | None = None  # until it is lost; aiohttp forgets its own as soon as it closes it
        self._stalled: asyncio.TimerHandle | None = None
        self.peer: Any = None  # what the faces know of the other end; made once a connection
        self.dialect = ""  # in which its listener is asked at /auth; empty: it is not

    def data_received(self, data: bytes) -> None:
        """In its turn, if it is much: the parser takes a microsecond for a hundred bytes or two."""
        if self._refused:
            return
        if self._late is not None:  # reading rests, unless aiohttp has it go on
            self._late += data
            self._line_rests()
        elif len(data) <= LARGE:
            self._take(data)
        else:
            self._late = data
            self._in_turn(woken=False)

    def _in_turn(self, *, woken: bool) -> None:
        if self._late is None:  # the client has gone meanwhile
            return
        later = self._turns.begin(woken=woken)
        if later is not None:
            self._line_rests()
            later.add_done_callback(lambda _: self._in_turn(woken=True))
            return
        data, self._late = self._late, None
        if self._refused:
            return
        try:
            self._take(data)
        except BaseException:
            self.force_close()
            raise
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _line_rests(self) -> None:
        if self._line is not None and not self._line.is_closing():
            self._line.pause_reading()

    def _take(self, data: bytes) -> None:
        """Count the bytes of a head that arrives in pieces; a whole one is measured by ``head_size``."""
        known, before = self._request_count, self._last_payload.total_bytes
        super().data_received(data)
        if self._miscounted:
            self._take_rest()
        if self._request_count != known:
            self._correct(self._request_count - known)
            last, self._last_payload = self._messages[-1] if self._messages else (None, EMPTY_PAYLOAD)
            self._refused = isinstance(last, _ErrInfo)
            self._ends = not (last is None or isinstance(last, _ErrInfo)) and last.should_close
            self._end_head()
        elif self._last_payload.is_eof() and not self._ends:
            # What ended a body is no head: an answer that takes its time would be cut off for a head that nobody sent.
            behind = len(data) - (self._last_payload.total_bytes - before)
            if behind > 0:
                self._await_head(behind)
        self._miscounted = self._miscounted or not self._last_payload.is_eof()

    def _take_rest(self) -> None:
        """Whole requests that came behind what was just read.  Else they would wait for bytes that need never come.

        aiohttp's parser stops where too many are under way, and counts for ever one that was begun with before its body had come.
        """
        known = -1
        while self._request_count != known and not (self._reading_paused or self._upgraded):
            last, payload = self._messages[-1] if self._messages else (None, self._last_payload)
            if isinstance(last, _ErrInfo) or not payload.is_eof() or len(self._messages) >= self._max_msg_queue_size:
                return
            known = self._request_count
            super().data_received(b"")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._await_head(0)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end_head()
        self._line = self._late = None
        self._flows()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalls()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._flows()
        if self._line is not None and self._line.is_closing():
            self._stalls()

    def force_close(self) -> None:
        super().force_close()
        self._stalls()

    async def start(self) -> None:
        """Answer one request after the other.  A fault of aiohttp's own ends the connection, which nobody would serve."""
        try:
            await super().start()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.log_exception("a connection cannot be served", exc_info=error)
            self.force_close()
        finally:
            self._stalls()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A fixed answer, no word of the request's, nothing logged; the connection ends."""
        code = Code.HEAD_TOO_LARGE if _too_large(exc) else Code.BAD_REQUEST
        if status >= 500:
            code = Code.INTERNAL_ERROR
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        made = unread(code, self._refusal_id(code))
        response = web.Response(status=made.status, body=made.body, headers=dict(made.headers))
        response.force_close()
        return response

    def hear_the_end(self) -> None:
        """Take no further request of this connection, and let go of what comes: while reading rests nobody sees the client leave."""
        if self._reading_paused or self._buffer_paused:
            self._refused = True  # what comes is neither parsed nor kept
            self._end_head()
            self.close()  # once this request is answered
            self._reading_paused = self._buffer_paused = False
            self._resume_transport_reading()

    def rested(self) -> float:
        """Seconds since its last answer, or its beginning; 0 while anything is under way."""
        if self._waiter is None or self._waiter.done() or self._head_bytes or self._late is not None:
            return 0.0
        return self._loop.time() - (self._next_keepalive_close_time - self._keepalive_timeout)

    def shut(self) -> None:
        """Close it if it owes nothing."""
        if self.rested() > 0.0:
            self.force_close()

    def _refusal_id(self, code: Code) -> str:
        told = self._manager.refused if isinstance(self._manager, Server) else None
        return secrets.token_hex(16) if told is None else told(code, self.transport)

    def _correct(self, count: int) -> None:
        """Where aiohttp's parser may mistake what comes next for another thing, nothing comes next: the connection ends.

        It takes the last trailer of a chunked body for the first field of the request behind it, loses what it reads together
        with a request to become another protocol, and lets a ``CONNECT`` of no target pass, with the target of the request before.
        ``count``: the messages that it has just read.
        """
        message: Any
        for at in range(-min(count, len(self._messages)), 0):
            message, payload = self._messages[at]
            if isinstance(message, _ErrInfo):
                continue
            if message.path is None:
                self._messages[at] = (_ErrInfo(400, BadHttpMessage("no target"), ""), EMPTY_PAYLOAD)
            elif message.chunked or message.upgrade:
                self._messages[at] = (message._replace(should_close=True), payload)

    def _await_head(self, received: int) -> None:
        self._head_bytes += received
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(HEAD_SECONDS, self._head_is_slow)
        if self._head_bytes > self._most_head_bytes:
            self._refuse_head()

    def _head_is_slow(self) -> None:
        """Unless it is we who have not looked yet at what has come: then its client has as long once more, for what may lack."""
        self._head_timer = None
        if self._late is None:
            self.force_close()
        else:
            self._await_head(0)

    def _refuse_head(self) -> None:
        self._refused = True
        self._end_head()
        self._request_count += 1
        self._messages.append((_ErrInfo(400, HeadTooLarge(), ""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stalls(self) -> None:
        """What was written has to be read in time, or the connection ends: aiohttp would wait while the other end lives."""
        if self._stalled is None and self._line is not None:
            self._stalled = self._loop.call_later(STALLED_SECONDS, self._line.abort)

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _too_large(error: BaseException | None) -> bool:
    """Whether the parser stopped at one of its limits (it has one type for a long line, and a text for many fields)."""
    many = getattr(error, "message", "") == "Too many headers received"
    return many or isinstance(error, HeadTooLarge | LineTooLong)


class Server(web.Server):
    """Makes ``Handler``s.

    ``refused`` is told of each request that could not be parsed, with the transport it came by; it returns a request id.
    """

    refused: Callable[[Code, asyncio.Transport | None], str] | None = None

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.turns: Final = Turns()

    def __call__(self) -> RequestHandler:
        return Handler(self, loop=self._loop, **self._kwargs)


def handlers(server: web.Server) -> Collection[Handler]:
    """Its connections, as they come and go; what aiohttp offers copies all of them."""
    return cast("dict[Handler, object]", server._connections).keys()  # noqa: SLF001


def settings(limits: Limits) -> dict[str, Any]:
    """The arguments of ``Server`` beside the function that answers."""
    return {
        "max_head_bytes": limits.max_head_bytes,
        "max_line_size": limits.max_header_bytes,
        "max_field_size": limits.max_header_bytes,
        "max_headers": limits.max_headers,
        "keepalive_timeout": IDLE_SECONDS,
        "auto_decompress": False,  # no body of ours is worth a decompression bomb
        "access_log": None,
        "debug": False,
    }


def head_size(request: web.BaseRequest) -> int:
    """Bytes of the request's head with the empty line at its end; more where fields came without a space after the colon."""
    message = request._message  # noqa: SLF001 - aiohttp offers the raw target nowhere else
    return len(message.method) + len(message.path) + 14 + sum(len(n) + len(v) + 4 for n, v in message.raw_headers)


def raw_target(request: web.BaseRequest) -> bytes:
    """The request target as it was received."""
    return request._message.path.encode("utf-8", "surrogateescape")  # noqa: SLF001


def _discreet(handle: Callable[[Any], Awaitable[web.StreamResponse]]) -> Any:
    """The same without aiohttp's own words: it answers an unknown Expect before any middleware, and quotes it."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, headers={"Cache-Control": "no-store", "Server": SOFTWARE})

    return answer


class _AppRunner(web.AppRunner):
    """Runs an application on ``Server``."""

    __slots__ = ("_settings",)

    def __init__(self, app: web.Application, limits: Limits, **more: Any) -> None:
        super().__init__(app, access_log=None, **more)
        self._settings = settings(limits) | {"keepalive_timeout": APP_IDLE_SECONDS}

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        loop = made._loop  # noqa: SLF001
        answer = _discreet(made.request_handler)
        return Server(answer, request_factory=made.request_factory, loop=loop, **self._settings)


def app_runner(app: web.Application, limits: Limits, **more: Any) -> web.AppRunner:
    """A runner for an ``web.Application`` of ours (admin, probes) with the same bounds and the same discretion."""
    return _AppRunner(app, limits, **more)


silence_quotes()
