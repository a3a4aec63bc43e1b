"""What `make outages` found, in Markdown: each figure beside what it is to be."""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Final

from figures import milliseconds, percentile, ratios, spread, table
from hanging import MARGIN, Outcome, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from propagation import Outcome as Spread

_SHARES: Final = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_HEAD: Final = """# Outages: what was measured

Made by `make outages` ({machine}, {cores} cores, Python {python}). Real programs, no time is asserted anywhere: exit code 1 only
for a wrong answer. **Wrong answers: {wrong}.** Load average before the start: {load:.2f}; of other programs there should be none.

One worker is asked and is kept to one core; the client, the other bearerd, Valkey and the issuer share the other.
"""
_SPREAD: Final = """
## Revocations under full load

Connections that ask without pause keep the worker busy; each revocation is posted to *another* bearerd, one after the other, with
`ack: enforced`. *Spread*: `bearerd_revocation_propagation_seconds` of the loaded worker, from the store's time of the entry to its
enforcement; a histogram, so each figure is the upper bound of its bucket. *Acknowledged*: from POST to 201 as the client sees it.
Meant to be: spread p50 ≤ 10 ms, p99.9 ≤ 100 ms, worst ≤ 1 s; after an acknowledgement nothing is allowed.

"""
_DISK: Final = """
With `fsync` the store answers nobody before the disk has answered (`appendfsync always`), heartbeats included. One write and fsync
of 256 bytes on the same disk: p50 {p50} ms, p99 {p99} ms. The disk's share of an acknowledgement, by comparing the two lines: p50
{share}.
"""
_HUNG: Final = """
## Store and issuer hang

Both are stopped (SIGSTOP): their sockets stay open, the kernel takes what is sent, nothing answers. Outages: {rounds}, windows of
{window:.0f} s, in turns with windows where all is well; `max_staleness` {staleness:.0f} s. One keep-alive client, {rate:.0f} questions
a second, known tokens; a request that had to wait for the one before it counts from when it was due. Beside it once a second a token
of an unknown key, so that the worker asks the issuer and waits. A figure is the median of its windows; *against well* compares each
window with the mean of those before and after it: median (smallest … largest) over the outages. Meant to be: within ±10 %.

"""


def report(spread_runs: list[Spread], disk: list[float], hung: Outcome, wrong: int, load: float) -> str:
    """The whole page; ``load`` is the load average that the benchmark met."""
    machine, cores, python = _processor(), os.cpu_count(), platform.python_version()
    head = _HEAD.format(machine=machine, cores=cores, python=python, wrong=wrong or "none", load=load)
    return head + _spreading(spread_runs, disk) + _hanging(hung)


def _spreading(runs: list[Spread], disk: list[float]) -> str:
    head = ["durability", "revocations", "answers/s", "worker busy", "spread p50", "p99.9", "worst"]
    head += ["acknowledged p50", "p99.9", "worst", "202", "asked after acknowledgement", "allowed of these"]
    memory, fsync = (percentile(run.acknowledged, 0.5) for run in runs)
    told = _DISK.format(
        p50=milliseconds(percentile(disk, 0.5)),
        p99=milliseconds(percentile(disk, 0.99)),
        share=f"{milliseconds(fsync - memory)} ms of {milliseconds(fsync)} ms",
    )
    return _SPREAD + table(head, [_run(run) for run in runs]) + told


def _run(run: Spread) -> list[str]:
    assert run.histogram is not None
    bounds = [f"≤ {milliseconds(run.histogram.bound(share))} ms" for share in (0.5, 0.999, 1.0)]
    taken = [f"{milliseconds(percentile(run.acknowledged, share))} ms" for share in (0.5, 0.999, 1.0)]
    counts = [run.incomplete.total(), run.asked_after, run.allowed_after]
    return [
        run.durability,
        str(run.histogram.count),
        f"{run.answers / run.seconds:,.0f}",
        f"{run.busy:.0%}",
        *bounds,
        *taken,
        *(f"{count:,}" for count in counts),
    ]


def _hanging(hung: Outcome) -> str:
    states = [
        ("well", "strict", hung.well),
        ("hanging, view younger than max_staleness", "strict", hung.young),
        ("well", "available", hung.well),
        ("hanging, view younger than max_staleness", "available", hung.young),
        ("hanging, view older than max_staleness", "available", hung.old),
    ]
    head = ["state", "resource", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs/request"]
    head += [f"{name} against well" for name in (*_SHARES, "CPU")] + ["p99.9 of all windows together"]
    rows = [[state, resource, *_figures(resource, windows, hung.well)] for state, resource, windows in states]
    count, first = len(hung.young), hung.well[0]
    told = sorted(hung.strangers.items())
    strangers = ", ".join(f"{number} × {status} while {state}" for (state, status), number in told)
    text = _HUNG.format(
        rounds=count, window=first.seconds, staleness=first.seconds + MARGIN, rate=first.heard.count / first.seconds
    )
    return text + table(head, rows) + f"\nThe strangers were answered {strangers}.\n"


def _figures(resource: str, windows: list[Window], well: list[Window]) -> list[str]:
    def latency(share: float) -> Callable[[Window], float]:
        return lambda window: percentile(window.of(resource), share)

    measures = [latency(share) for share in _SHARES.values()]
    shown = [milliseconds(statistics.median(map(measure, windows))) for measure in measures]
    shown.append(f"{statistics.median(window.cpu for window in windows) * 1e6:.0f}")
    together = _together(resource, windows)
    if windows is well:
        return [*shown, *["–"] * 4, f"{milliseconds(together)} ms"]
    measures.append(lambda window: window.cpu)
    against = [spread(ratios([*map(m, windows)], [*map(m, well)])) for m in measures]
    return [*shown, *against, f"{milliseconds(together)} ms, {together / _together(resource, well) - 1:+.0%}"]


def _together(resource: str, windows: list[Window]) -> float:
    """The p99.9 of all answers: of one window's it rests on a handful."""
    return percentile([seconds for window in windows for seconds in window.of(resource)], 0.999)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(": ")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
