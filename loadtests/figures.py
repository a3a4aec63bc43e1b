"""Figures and how they are written: percentiles, a histogram's share of a run, a Markdown table."""

from __future__ import annotations

import math
import os
import statistics
import time
from pathlib import Path


def percentile(values: list[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Histogram:
    """What a Prometheus histogram counted between two looks: upper bounds, and how many lay within each."""

    def __init__(self, name: str, before: str, after: str) -> None:
        """``before``, ``after``: two expositions of one process."""
        earlier, later = _buckets(name, before), _buckets(name, after)
        self._within = [(bound, count - earlier.get(bound, 0.0)) for bound, count in sorted(later.items())]

    @property
    def count(self) -> int:
        """How many values there were."""
        return int(self._within[-1][1])

    def bound(self, share: float) -> float:
        """The bound of the bucket in which that percentile lies: it is no larger."""
        rank = max(1, math.ceil(share * self.count))
        return next(bound for bound, within in self._within if within >= rank)


def _buckets(name: str, text: str) -> dict[float, float]:
    found = {}
    for line in text.splitlines():
        if line.startswith(f"{name}_bucket{{"):
            found[float(line.partition('le="')[2].partition('"')[0])] = float(line.rpartition(" ")[2])
    return found


def fsyncs(folder: Path, times: int = 300) -> list[float]:
    """Seconds that the disk takes for a small append, as the store makes one with each write."""
    taken = []
    with (folder / "fsync").open("ab", buffering=0) as file:
        for _ in range(times):
            start = time.perf_counter()
            file.write(b"x" * 256)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return taken


def ratios(figures: list[float], well: list[float]) -> list[float]:
    """Each figure of an outage against the mean of the well windows before and after it, so that drift cancels."""
    return [figure / statistics.mean(well[number : number + 2]) for number, figure in enumerate(figures)]


def spread(values: list[float], form: str = "{:+.0%}", base: float = 1.0) -> str:
    """Median, smallest and largest."""
    median, low, high = (form.format(value - base) for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({low} … {high})"


def milliseconds(seconds: float) -> str:
    """For people: three digits."""
    return f"{seconds * 1000:.3g}" if seconds < 0.1 else f"{seconds * 1000:,.0f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
