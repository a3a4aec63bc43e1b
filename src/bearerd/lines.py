"""aiohttp's connections to servers, issuers and webhooks, of which each answer must have been asked for.

Its pool keeps what comes on an idle connection, and gives it to whoever asks next there: one user's answer to another.  And it
reads interim answers (1xx) for as long as they come, without letting anybody else run meanwhile.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

MOST_INTERIM: Final = 16  # interim answers before the answer


class _Line(ResponseHandler):
    """One connection."""

    _owed = False  # an answer, or the rest of one
    _interim = 0

    def set_response_params(self, **settings: Any) -> None:
        """A request is about to be sent."""
        self._owed, self._interim = True, 0
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        if data and not self._owed:
            self._end()
            return
        super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head was read."""
        message, payload = data
        if not self._owed:
            self._should_close = True
        elif message.code >= 200 or message.code == 101:
            super().feed_data(data, size)
            payload.on_eof(self._answered)
        elif (interim := self._interim + 1) > MOST_INTERIM:
            self._owed = False
            self.set_exception(aiohttp.ClientPayloadError("interim answers without end"))
            self._end()
        else:
            self._interim = interim
            super().feed_data(data, size)

    def _answered(self) -> None:
        self._owed = False

    def _end(self) -> None:
        self._should_close = True
        if self.transport is not None:
            self.transport.abort()


class Connector(aiohttp.TCPConnector):
    """The pool of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory = functools.partial(_Line, loop=self._loop)  # type: ignore[assignment]
