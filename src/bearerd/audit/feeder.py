"""A thread that hands lines to one sink: whoever decides never waits for a disk, and what a sink refuses is offered again."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from bearerd import log
from bearerd._native import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_AT_ONCE: Final = 1_000  # lines
MOST_BYTES_AT_ONCE: Final = 4 * 1024 * 1024  # and one line more: collectors and stores take no piece of any size
RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 1.0  # at most, once we are to end: what is not taken by then is lost
AGAIN_SECONDS: Final = 5.0  # between two lines about a sink that goes on failing, for another reason
HUNG_SECONDS: Final = 5.0  # for which one attempt may take until it counts as failing

_LOGGER: Final = logging.getLogger("bearerd.audit")


class NotTaken(OSError):
    """A sink at the other end of a network did not take lines: they are to be offered again, but not before long."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(0, why)
        self.seconds: Final = seconds


class Sink(Protocol):
    """Where lines go; called by the feeder's thread alone."""

    name: str

    def write(self, lines: Sequence[bytes]) -> None:
        """All of them, or none, or OSError."""

    def sync(self) -> None:
        """Once this returns, what was written outlives the machine, as far as the sink can do that."""

    def close(self) -> None:
        """Nothing more comes."""


class Feeder:
    """``told()`` is called from the thread whenever lines have gone out, or are durable."""

    def __init__(self, sink: Sink, told: Callable[[], None], *, always: bool, interval: float) -> None:
        """``always``: each batch is made durable; else what was written is, every ``interval`` seconds."""
        self.name: Final = sink.name
        self.failing = ""
        self.failing_since = 0.0  # wall time; of the last time that it failed, once it does not
        self.settled = 0  # lines that are durable, or at least handed over where the interval decides
        self._sink = sink
        self._told = told
        self._always = always
        self._interval = interval
        self._lines: deque[bytes] = deque()
        self._taken: list[bytes] = []
        self._wake = threading.Condition()
        self._idle = False
        self._since: float | None = None  # when the attempt that is under way was begun
        self._closed = False
        self._until = 0.0  # when to give up, once closed
        self._said, self._said_at = "", 0.0
        self._thread = threading.Thread(target=self._run, name=f"bearerd-audit-{sink.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def taken_in(self) -> int:
        """Lines, ever: what ``settled`` comes to when all of them are."""
        with self._wake:
            return self.settled + self.waiting

    @property
    def waiting(self) -> int:
        """Lines that have not gone out."""
        return len(self._lines) + len(self._taken)

    def put(self, line: bytes) -> None:
        """One more; never refused here: whoever puts has looked for room."""
        self._lines.append(line)
        if self._idle:
            with self._wake:
                self._wake.notify()

    def look(self) -> None:
        """Now and then: a pipe that nobody reads, or a disk that hangs, never says that it fails."""
        since = self._since
        if since is not None and not self.failing and time.monotonic() - since >= HUNG_SECONDS:
            self._failed(f"nothing was taken for {HUNG_SECONDS:g} s")
            if self._since != since:  # it ended in this very moment
                self._well()

    def close(self, patience: float) -> bool:
        """Hand over what waits, for at most so many seconds; whether all of it went."""
        with self._wake:
            self._closed, self._until = True, time.monotonic() + patience
            self._wake.notify()
        self._thread.join(patience)
        return not self.waiting

    def _run(self) -> None:
        dirty_since: float | None = None
        while True:
            due = None if dirty_since is None else max(0.0, dirty_since + self._interval - time.monotonic())
            self._take(due)
            if self._taken:
                if not self._tried(lambda: self._sink.write(self._taken)):
                    return  # ``close`` says that something was left
                if self._always and not self._tried(self._sink.sync):
                    return
                dirty_since = None if self._always else dirty_since or time.monotonic()
                with self._wake:
                    self.settled += len(self._taken)
                    self._taken = []
                self._told()
            if dirty_since is not None and (self._closed or time.monotonic() - dirty_since >= self._interval):
                self._tried(self._sink.sync)
                dirty_since = None
            if self._closed and not self.waiting:
                self._sink.close()
                return

    def _take(self, seconds: float | None) -> None:
        if self._taken:
            return
        with self._wake:
            self._idle = True
            if not self._lines and not self._closed:
                self._wake.wait(seconds)
            self._idle = False
            size = 0
            while self._lines and len(self._taken) < MOST_AT_ONCE and size < MOST_BYTES_AT_ONCE:
                line = self._lines.popleft()
                self._taken.append(line)
                size += len(line)

    def _tried(self, do: Callable[[], None]) -> bool:
        """Once, or again until it succeeds; False where we are to end before."""
        while True:
            self._since = time.monotonic()
            try:
                do()
            except Exception as error:  # noqa: BLE001 - whatever a sink raises, the records are kept and offered again
                self._since = None
                self._failed(log.told(error))
                if not self._rested(error):
                    return False
            else:
                self._since = None
                self._well()
                return True

    def _rested(self, error: Exception) -> bool:
        """Until it is to be tried again, or until ``close``, for a last time; False where we are to end before."""
        seconds = error.seconds if isinstance(error, NotTaken) else RETRY_SECONDS
        with self._wake:
            if not self._closed:
                self._wake.wait(seconds)
                return True
            # A disk is as full as it was; a collector may be back in a moment.
            seconds = min(seconds, LAST_RETRY_SECONDS)
            if not isinstance(error, NotTaken) or time.monotonic() + seconds >= self._until:
                return False
            self._wake.wait(seconds)
        return True

    def _failed(self, why: str) -> None:
        changed = why != self._said and time.monotonic() - self._said_at >= AGAIN_SECONDS
        if not self.failing or changed:
            self._said, self._said_at = why, time.monotonic()
            _LOGGER.error("an audit sink fails: records wait", extra={"sink": self.name, "detail": why})
        if not self.failing:
            self.failing_since = clock.wall()
        self.failing = why
        self._told()

    def _well(self) -> None:
        if self.failing:
            self.failing = ""
            _LOGGER.info("an audit sink takes records again", extra={"sink": self.name})
