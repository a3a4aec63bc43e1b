"""The line between the supervisor and one worker: JSON frames over a socket pair.

A frame is a length (four bytes, big-endian) and a JSON object.  ``tell`` expects no answer and keeps its order; ``ask``
waits for one.  Neither side believes the other's bytes: what is not a frame of ours ends the channel, and with it, on the
supervisor's side, the worker.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.errors import BearerdError
from bearerd.log import redact, told

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    Told = Callable[[str, dict[str, Any]], None]
    Asked = Callable[[str, dict[str, Any]], Awaitable[Any]]

MAX_FRAME: Final = 16 * 1024 * 1024  # bytes: a configuration file has at most four million
MAX_UNREAD: Final = 4 * 1024 * 1024  # bytes that wait for a reader that does not read; further news is dropped

_LOGGER: Final = logging.getLogger("bearerd.channel")


class ChannelClosed(Exception):
    """The other side is gone."""


class NotDone(Exception):
    """The other side could not do what it was asked.  Its words are safe to repeat."""

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault  # the exception's type over there


class Channel:
    """One end.

    ``on_tell(what, fields)`` is called at once and in order.  ``on_ask(what, fields)`` is awaited in a task of its own;
    what it returns must be JSON-able.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_tell: Told, on_ask: Asked | None = None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_tell = on_tell
        self._on_ask = on_ask
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @classmethod
    async def over(cls, sock: socket.socket, on_tell: Told, on_ask: Asked | None = None) -> Channel:
        """A channel over one end of a socket pair, which it owns from now on."""
        sock.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return cls(reader, writer, on_tell, on_ask)

    def tell(self, what: str, **fields: Any) -> bool:
        """Send news.  False where the other side is gone or has stopped reading."""
        if self._closed or self._writer.transport.get_write_buffer_size() > MAX_UNREAD:
            return False
        self._send({"do": what, **fields})
        return True

    async def ask(self, what: str, patience: float, **fields: Any) -> Any:
        """Send a question and wait ``patience`` seconds for its answer.

        Raises ChannelClosed, TimeoutError, or NotDone with the other side's words.
        """
        if self._closed:
            raise ChannelClosed
        number = next(self._numbers)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._send({"do": what, "ask": number, **fields})
            return await asyncio.wait_for(waiting, patience)
        finally:
            self._waiting.pop(number, None)

    async def run(self) -> None:
        """Read until the other side is gone or talks nonsense; then close."""
        try:
            while (frame := await self._frame()) is not None:
                self._take(frame)
        except (OSError, EOFError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Let go; whoever waits for an answer gets ChannelClosed."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ChannelClosed())
        for task in self._tasks:
            task.cancel()

    @property
    def closed(self) -> bool:
        """Whether the other side is gone."""
        return self._closed

    async def _frame(self) -> dict[str, Any] | None:
        """The next frame; None where what came is none."""
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        if size > MAX_FRAME:
            _LOGGER.error("a frame that is too long", extra={"bytes": size})
            return None
        try:
            frame = orjson.loads(await self._reader.readexactly(size))
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            _LOGGER.error("a frame that is no JSON object")
            return None
        return frame

    def _take(self, frame: dict[str, Any]) -> None:
        answered = frame.pop("re", None)
        if answered is not None:
            self._answered(answered, frame)
            return
        what, number = str(frame.pop("do", "")), frame.pop("ask", None)
        if number is None:
            self._on_tell(what, frame)
            return
        task = asyncio.get_running_loop().create_task(self._answer(number, what, frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answered(self, number: Any, frame: dict[str, Any]) -> None:
        waiting = self._waiting.get(number) if isinstance(number, int) else None
        if waiting is None or waiting.done():
            return
        if "fault" in frame:
            waiting.set_exception(NotDone(str(frame["fault"]), str(frame.get("detail", ""))))
        else:
            waiting.set_result(frame.get("ok"))

    async def _answer(self, number: Any, what: str, fields: dict[str, Any]) -> None:
        try:
            if self._on_ask is None:
                raise NotImplementedError
            answer: dict[str, Any] = {"ok": await self._on_ask(what, fields)}
            orjson.dumps(answer)
        except Exception as error:  # whatever it is, the asker must not wait in vain
            _LOGGER.warning("a question could not be answered", extra={"question": what}, exc_info=error)
            own = isinstance(error, BearerdError)
            answer = {"fault": type(error).__name__, "detail": redact(str(error)) if own else told(error)}
        if not self._closed:
            self._send({"re": number, **answer})

    def _send(self, frame: dict[str, Any]) -> None:
        data = orjson.dumps(frame)
        self._writer.write(len(data).to_bytes(4, "big") + data)
