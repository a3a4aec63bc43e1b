"""docs/bench-report.md: the machine, the method, the table, and what to make of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import added
import chart
from credentials import SIZE
from measure import CONNECTIONS, SATURATED, Line

FILE: Final = Path(__file__).resolve().parent.parent / "docs" / "bench-report.md"
CHART: Final = FILE.with_name("bench.svg")
FLOOR, PLAIN = "floor", "nginx-204"
HEAD: Final = """# What an answer costs

Written by `make bench`; everything below was measured in one run, on one machine. Compare the ratios, not the figures.
"""
METHOD: Final = """## Method

- The server is pinned to one core, with one thread or worker; the load generator (`loadtests/hammer.c`) to another.
- {connections} kept-alive connections over loopback, one request under way on each, as fast as the answers come; RS256 tokens of {size} bytes.
- All peers are up at once and take turns: {rounds} rounds of {seconds:g} s each, forwards and backwards, each after a warm-up.
- CPU is user and kernel time of the server's whole process tree (bearerd's supervisor and store included), divided by the
  answers: the median, and the cheapest and the dearest round.
- The status of every answer was checked; whoever verifies had to refuse a forged token; and by bearerd's own count an answer
  had to cost no signature check where the token is known, and one where it is new.

## Why benchmarks mislead

Peers do not do the same work. nginx's module checks signature and lifetime; HAProxy's lines, the Node and Python servers and
Envoy issuer and audience too; none of them revocation. bearerd also applies a policy and writes identity headers, and
whoever asks it pays for a second request: the whole chains show that price. A token that everybody knows is the best case of
every cache. Loopback has no network in it, and the kernel's share, the same for all, makes ratios milder than the programs
are. With every connection always busy, p50, p99 and p99.9 are those of a saturated server: a queue of {connections}, not the
time that a decision takes; for the whole chains that is measured beside it, one request at a time. A turbo clock, a
neighbour on the machine or another compiler moves every figure; a difference within the spread is none.
"""
COLUMNS: Final = (
    "program",
    "µs CPU / request",
    "cheapest–dearest",
    "÷ C floor",
    "÷ `return 204`",
    "requests / s",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
)
WORKERS: Final = (
    "Two workers against one, with 64 connections and more: not measured. It needs four cores, two for the workers and two "
    "for the load; with fewer, what is measured is the load generator."
)
NOISY: Final = 0.05  # of the server's core for others: beyond it the report says that it is not to be quoted


Pairs = Iterable[tuple[str, str]]


def write(lines: Sequence[Line], left_out: Pairs, facts: Pairs, seconds: float, in_process: str) -> None:
    """Write the report; ``in_process`` is a section of it."""
    rounds = len(lines[0].rounds)
    parts = [HEAD, *(f"- {name}: {value}" for name, value in facts), noise(lines), ""]
    parts.append(METHOD.format(connections=CONNECTIONS, size=SIZE, rounds=rounds, seconds=seconds))
    parts += [
        "## Figures",
        "",
        f"![CPU for an answer, in bars; the whole chains to a scale of their own]({CHART.name})",
        *table(lines),
        "",
        WORKERS,
        "",
    ]
    parts += [*added.section(lines), *absent(left_out), "", in_process]
    CHART.write_text(chart.drawn(*(bars(lines, chains=whole) for whole in (False, True))))
    FILE.write_text("\n".join(parts).rstrip() + "\n")


def bars(lines: Sequence[Line], *, chains: bool) -> list[chart.Figure]:
    """The whole chains, or all others: what a gateway costs would leave nothing to see of what does not pass through one."""
    some = [line for line in lines if bool(line.peer.gateway) is chains]
    return [(line.peer.label, line.peer.group, line.cpu) for line in some]


def noise(lines: Sequence[Line]) -> str:
    """How quiet it was."""
    others = median(each.others for line in lines for each in line.rounds)
    verdict = ". **Not quiet: rough figures, not to be quoted.**" if others > NOISY else ""
    return f"- others on the servers' core during the rounds: {others:.0%} of it{verdict}"


def table(lines: Sequence[Line]) -> Iterator[str]:
    """A row a peer, under the headings."""
    costs = {line.peer.name: line.cpu for line in lines}
    group = None
    for line in lines:
        if line.peer.group != group:
            group = line.peer.group
            yield f"\n### {group}\n"
            yield "| " + " | ".join(COLUMNS) + " |"
            yield "|---|" + "--:|" * (len(COLUMNS) - 1)
        yield row(line, costs)
    if any(line.middle("client_busy") > SATURATED for line in lines):
        yield "\n\\* The load generator was at its limit: the rate is its own, the CPU figure stands."


def row(line: Line, costs: dict[str, float]) -> str:
    """One peer."""
    low, high = line.spread
    star = r"\*" if line.middle("client_busy") > SATURATED else ""
    cells = [
        line.peer.label,
        f"**{line.cpu:.1f}**",
        f"{low:.1f}–{high:.1f}",
        ratio(line.cpu, costs.get(FLOOR)),
        ratio(line.cpu, costs.get(PLAIN)),
        f"{line.middle('rate'):,.0f}{star}",
        f"{line.middle('p50'):,.0f}",
        f"{line.middle('p99'):,.0f}",
        f"{line.middle('p999'):,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def ratio(cost: float, base: float | None) -> str:
    """How many times as dear."""
    return f"{cost / base:.2f}" if base else "–"


def absent(left_out: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Who did not take part, and why."""
    rows = [f"- {label}: {reason}" for label, reason in left_out]
    if rows:
        yield from ["## Left out", "", *rows]
