#!/usr/bin/env python3
"""``make outages``: how fast revocations spread under full load, and what an outage does to decisions; docs/outages-report.md.

    OUTAGES_SECONDS      of revocations under load, for each durability (60)
    OUTAGES_CONNECTIONS  that ask without pause meanwhile (16)
    OUTAGES_REVOCATIONS  a second (25)
    OUTAGES_ROUNDS       outages (8)
    OUTAGES_WINDOW       seconds of each window (8)
    OUTAGES_RATE         questions a second in the windows (1000)
    OUTAGES_REPORT       where the report goes

Exit code 1 if a single answer was not the right one.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import hanging  # noqa: E402
import propagation  # noqa: E402
from figures import fsyncs  # noqa: E402
from outages_report import report  # noqa: E402
from rig import STORE, running  # noqa: E402

CALM = 10.0  # max_staleness where nothing fails: so long, and two seconds, it takes to the first acknowledgement


def setting(name: str, default: float) -> float:
    """A number of the environment."""
    return float(os.environ.get(f"OUTAGES_{name}", default))


def spreading() -> tuple[list[propagation.Outcome], list[float]]:
    """Revocations under full load at each durability, and what the disk takes for one write."""
    connections, rate = int(setting("CONNECTIONS", 16)), setting("REVOCATIONS", 25)
    outcomes, disk = [], []
    for durability in STORE:
        print(f"revocations under full load, durability {durability}", flush=True)
        with running(durability, CALM) as rig:
            disk = fsyncs(rig.stage.folder)
            outcomes.append(propagation.measure(rig, durability, connections, rate, setting("SECONDS", 60)))
    return outcomes, disk


def outages() -> hanging.Outcome:
    """Windows with and without store and issuer."""
    rounds, seconds = int(setting("ROUNDS", 8)), setting("WINDOW", 8)
    print(f"{rounds} outages", flush=True)
    with running("memory", seconds + hanging.MARGIN) as rig:
        return hanging.measure(rig, rounds, setting("RATE", 1000), seconds)


def main() -> int:
    """Both parts, and the report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # also then no program is left behind, or left stopped
    load = os.getloadavg()[0]
    gc.disable()  # no pause of ours in the figures; nothing here makes cycles
    spread, disk = spreading()
    hung = outages()
    wrong = hung.wrong + sum(outcome.wrong for outcome in spread)
    text = report(spread, disk, hung, wrong, load)
    target = Path(os.environ.get("OUTAGES_REPORT", HERE.parent / "docs" / "outages-report.md"))
    target.write_text(text, encoding="utf-8")
    print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
