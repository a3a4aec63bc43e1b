"""What many runs add up to, and the report of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults.history import of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.checker import Violation
    from faults.history import Event
    from faults.run import Outcome

_AFTERWARDS = 3.0  # seconds after a fault was mended in which workers still join: no quiet time yet


@dataclass
class Tally:
    """Sums over runs."""

    runs: int = 0
    seconds: float = 0.0
    topologies: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    settling: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    faulted: list[float] = field(default_factory=list)
    broken: list[int] = field(
        default_factory=list
    )  # seeds whose run came to no verdict: a fault of the tests themselves
    found: list[tuple[int, Violation]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one run in."""
        events = outcome.history.events
        self.topologies[outcome.plan.topology.name] += 1
        for event in events:
            if event["e"] == "fault":
                self.faults[event["what"]] += 1
            elif event["e"] == "done":
                self.writes[f"{event['do']}, {event['acknowledged'] or 'written, not yet certain'}"] += 1
            elif event["e"] == "failed":
                self.writes[f"{event['do']}, not acknowledged"] += 1
            elif event["e"] == "answer":
                self.answers[event["code"] or "allow"] += 1
            elif event["e"] == "settled":
                self.settling.append(event["seconds"])
        troubled = trouble(events)
        for arrived, seconds in outcome.delays:
            calm = not any(begin < arrived and arrived - seconds < end for begin, end in troubled)
            (self.quiet if calm else self.faulted).append(seconds)
        self.found += [(outcome.plan.seed, violation) for violation in outcome.violations]

    @property
    def revocations(self) -> int:
        return sum(count for what, count in self.writes.items() if what.startswith("revoke"))


def trouble(events: list[Event]) -> list[tuple[float, float]]:
    """When something was wrong, or had been until moments ago (boot times)."""
    begun: dict[tuple[str, str], float] = {}
    spans = []
    for event in of(events, "fault", "heal"):
        which = (event["what"], event.get("node", ""))
        if event["e"] == "fault":
            begun[which] = event["t"]
            spans.append((event["t"], event["t"] + _AFTERWARDS))
        elif which in begun:
            spans.append((begun.pop(which), event["t"] + _AFTERWARDS))
    return spans


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all do not exceed; nan of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def report(tally: Tally, first: int, processors: int) -> str:
    """The report, in Markdown."""
    lines = [
        "# Chaos report",
        "",
        "Written by `make chaos` (tests/faults/): real Valkey servers and real worker processes under load, with faults drawn",
        "from a seed; every event is recorded, and a checker (tests/faults/checker.py) judges the whole history.",
        "A run of the same seed (`CHAOS_SEED=… CHAOS_RUNS=1 make chaos`) has the same plan; its timing is the machine's.",
        "",
        f"- runs: {tally.runs}, seeds {first} to {first + tally.runs - 1}, {tally.seconds:.0f} s on {processors} processors",
        f"- stores: {_counted(tally.topologies)}",
        f"- faults: {sum(tally.faults.values())}: {_counted(tally.faults)}",
        f"- revocations: {tally.revocations}; writes of all sorts: {_counted(tally.writes)}",
        f"- decisions: {sum(tally.answers.values())}: {_counted(tally.answers)}",
        f"- from the last fault mended to everybody in step: {_spread(tally.settling)}",
        f"- violations: {len(tally.found)}; runs that came to no verdict: {len(tally.broken)}",
        "",
        "Propagation: from a revocation's write in the store to each worker's table, through a proxy in Python.",
        "",
        "| | revocations × workers | p50 | p99.9 | worst |",
        "|---|---|---|---|---|",
        _row("no fault in force", tally.quiet),
        _row("faults in force", tally.faulted),
        "",
    ]
    if tally.found:
        lines += ["## Violations", ""]
        lines += [f"- seed {seed}: {violation.property}: {violation.text}" for seed, violation in tally.found]
        lines += [""]
    return "\n".join(lines)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items(), key=lambda pair: -pair[1]))


def _spread(values: Sequence[float]) -> str:
    return f"p50 {quantile(values, 0.5):.1f} s, worst {quantile(values, 1.0):.1f} s"


def _row(what: str, values: Sequence[float]) -> str:
    cells = (f"{quantile(values, share) * 1000:.1f} ms" for share in (0.5, 0.999, 1.0))
    return f"| {what} | {len(values)} | {' | '.join(cells)} |"
