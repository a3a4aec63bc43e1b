"""When a sink that has not taken lines is offered them again, and what becomes of them at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bearerd.audit.feeder import Feeder, NotTaken

if TYPE_CHECKING:
    from collections.abc import Sequence


class Collecting:
    """Refuses so many times, and names the seconds until it is to be asked again."""

    name = "collecting"

    def __init__(self, refusals: int, seconds: float) -> None:
        self.refusals, self.seconds = refusals, seconds
        self.asked, self.lines = 0, list[bytes]()
        self.refused = threading.Event()

    def write(self, lines: Sequence[bytes]) -> None:
        self.asked += 1
        if self.asked <= self.refusals:
            self.refused.set()
            raise NotTaken("not now", self.seconds)
        self.lines += lines

    def sync(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def begun(sink: Collecting) -> Feeder:
    feeder = Feeder(sink, lambda: None, always=False, interval=1.0)
    feeder.put(b"line\n")
    feeder.start()
    assert sink.refused.wait(30)
    return feeder


def test_who_asks_for_patience_is_left_alone_until_then_and_asked_once_more_at_the_end() -> None:
    sink = Collecting(1, seconds=3600.0)
    feeder = begun(sink)
    feeder._thread.join(1.0)
    assert (sink.asked, feeder.waiting) == (1, 1)
    assert feeder.close(30)
    assert (sink.asked, sink.lines) == (2, [b"line\n"])


def test_at_the_end_a_collector_that_is_away_for_a_moment_is_waited_for_while_there_is_time() -> None:
    sink = Collecting(4, seconds=0.05)
    feeder = begun(sink)
    assert feeder.close(30)
    assert sink.lines == [b"line\n"]


def test_what_is_not_taken_by_then_is_left_and_the_thread_ends() -> None:
    sink = Collecting(10**9, seconds=0.05)
    feeder = begun(sink)
    assert not feeder.close(0.5)
    feeder._thread.join(30)
    assert not feeder._thread.is_alive()
    assert feeder.waiting == 1
