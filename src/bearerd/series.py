"""What one metric is: its name, kind, labels, and how the counts of several processes become one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bearerd._native import counters

FAST: Final = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)
SLOW: Final = (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, 1.0, 2.0, 5.0, 10.0)


class Fold(StrEnum):
    """How one series of several processes becomes one."""

    SUM = "sum"
    LARGEST = "max"
    SMALLEST = "min"


@dataclass(frozen=True, slots=True)
class Series:
    """All that is known of one metric."""

    name: str
    kind: int  # counters.COUNTER, GAUGE or HISTOGRAM
    help: str
    labels: tuple[str, ...] = ()
    fold: Fold = Fold.SUM
    bounds: tuple[float, ...] = ()  # upper bounds of a histogram's buckets, in the unit of its name
    hide_zero: bool = False  # an info metric: a set of labels that is no longer true is set to 0


def counter(name: str, about: str, *labels: str) -> Series:
    """A counter."""
    return Series(name, counters.COUNTER, about, labels)


def gauge(name: str, about: str, *labels: str, fold: Fold = Fold.LARGEST, hide_zero: bool = False) -> Series:
    """A gauge."""
    return Series(name, counters.GAUGE, about, labels, fold, hide_zero=hide_zero)
