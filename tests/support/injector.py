"""Faults put into running code: at each event that the interpreter reports of our own frames, one after the other.

What runs is found out by running it: a first run counts the events (a call or resumption, a line, a return, of any
function, coroutine or callback of ``bearerd``), and each further run raises at the next of them.  So new code is covered
without being named.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import bearerd

SOURCE = str(Path(bearerd.__file__).parent)
YIELD = dis.opmap["YIELD_VALUE"]


@dataclass(frozen=True)
class Place:
    """Where an event was."""

    file: str  # within src/bearerd
    function: str
    line: int
    event: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.function}"

    def __str__(self) -> str:
        return f"{self.name}:{self.line} ({self.event})"


class Injector:
    """Counts the events of our frames; does something at one of them."""

    def __init__(
        self, at: int = 0, make: Callable[[], BaseException | None] | None = None, within: str = SOURCE
    ) -> None:
        """``at``: the number of the event, from 1; 0: none.  ``within``: the folder whose frames count.

        ``make``: the exception that is raised there; it may also do something and return None.
        """
        self._at = at
        self._make = make
        self._within = within
        self._keep = at == 0
        self.events = 0
        self.hit: Place | None = None
        self.beneath: tuple[str, ...] = ()  # the functions of ours that were running there, innermost first
        self.seen: list[Place] = []  # where each event was, if nothing is done at any

    @property
    def places(self) -> dict[str, None]:
        """Every function that was seen, in order."""
        return dict.fromkeys(place.name for place in self.seen)

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
        if event == "exception" or (event == "return" and _suspends(frame)):  # nothing of ours runs in a suspension
            return self._event
        self.events += 1
        if self._keep:
            self.seen.append(_place(frame, event))
        elif self.events == self._at and self._make is not None:
            self.hit, self.beneath = _place(frame, event), tuple(_running(frame))
            fault = self._make()
            if fault is not None:
                raise fault
        return self._event


def _suspends(frame: FrameType) -> bool:
    return frame.f_code.co_code[frame.f_lasti] == YIELD


def _place(frame: FrameType, event: str) -> Place:
    code = frame.f_code
    return Place(str(Path(code.co_filename).relative_to(SOURCE)), code.co_qualname, frame.f_lineno, event)


def _running(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        if frame.f_code.co_filename.startswith(SOURCE):
            yield _place(frame, "").name
        frame = frame.f_back
