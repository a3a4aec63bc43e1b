"""Clocks that a test turns, and services that live by them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from bearerd import service
from bearerd._native import clock
from bearerd.timekeeper import Timekeeper

HOUR = 3600.0


@dataclass
class Dial:
    """(wall, boot) seconds.  Whole numbers, so that no sum is rounded."""

    wall: float = field(default_factory=lambda: float(int(clock.wall())))
    boot: float = field(default_factory=lambda: float(int(clock.boot())))
    kept: bool = False  # whether a time service keeps the wall clock

    def __call__(self) -> tuple[float, float]:
        return self.wall, self.boot

    def run(self, seconds: float) -> None:
        """Time passes, awake or asleep."""
        self.wall += seconds
        self.boot += seconds

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall += seconds

    def keeper(self, hold: float = 24 * HOUR, **more: object) -> Timekeeper:
        """A timekeeper by these clocks."""
        return Timekeeper(hold, clocks=self, synchronised=lambda: self.kept, **more)  # type: ignore[arg-type]


@contextmanager
def turning(dial: Dial) -> Iterator[None]:
    """Services that are made within live by this dial."""
    with patch.object(service, "Timekeeper", lambda hold, seen=None: dial.keeper(hold, seen=seen)):
        yield
