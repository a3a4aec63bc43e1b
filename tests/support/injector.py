"""Faults put into running code: at each event that the interpreter reports of our own frames, one after the other.

What runs is found out by running it: a first run counts the events (a call, a line, a return or suspension, of any
function, coroutine or callback of ``bearerd``), and each further run raises at the next of them.  So new code is covered
without being named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import bearerd

SOURCE = str(Path(bearerd.__file__).parent)


class Injector:
    """Counts the events of our frames; raises at one of them."""

    def __init__(self, at: int = 0, make: Callable[[], BaseException] | None = None, within: str = SOURCE) -> None:
        """``at``: the number of the event, from 1; 0: none.  ``within``: the folder whose frames count."""
        self._at = at
        self._make = make
        self._within = within
        self.events = 0
        self.hit = ""  # where it raised
        self.places: dict[str, None] = {}  # every function that was seen, in order

    @contextmanager
    def running(self) -> Iterator[None]:
        """Frames that begin or go on within are watched."""
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._within):
            return None
        return self._event(frame, event, arg)

    def _event(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "exception":
            return self._event
        self.events += 1
        code = frame.f_code
        name = f"{Path(code.co_filename).relative_to(SOURCE)}:{code.co_qualname}"
        self.places[name] = None
        if self.events == self._at and self._make is not None:
            self.hit = f"{name}:{frame.f_lineno} ({event})"
            raise self._make()
        return self._event
