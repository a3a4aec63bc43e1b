"""``make chaos``: runs of one seed after the other for as long as asked; prints each seed, and writes docs/chaos-report.md.

    CHAOS_SECONDS   how long (60)
    CHAOS_SEED      the first seed (drawn)
    CHAOS_RUNS      how many runs at most
    CHAOS_REPORT    where the report goes
    CHAOS_MUTANTS   seeded bugs (faults/mutants.py) that every worker has: to see them caught

Exits 1 if a property was violated; the histories of such runs are kept in build/chaos/SEED.jsonl.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
import traceback
from pathlib import Path

from faults.checker import told
from faults.generator import plan
from faults.nursery import Nursery
from faults.run import Outcome, execute
from faults.tally import Tally, report

ROOT = Path(__file__).parents[2]


async def main() -> int:
    seconds = float(os.environ.get("CHAOS_SECONDS", "60"))
    first = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(1_000_000_000)))
    most = int(os.environ.get("CHAOS_RUNS", "1000000000"))
    mutants = tuple(name for name in os.environ.get("CHAOS_MUTANTS", "").split(",") if name)
    target = Path(os.environ.get("CHAOS_REPORT", ROOT / "docs" / "chaos-report.md"))
    kept = ROOT / "build" / "chaos"
    kept.mkdir(parents=True, exist_ok=True)
    tally, start = Tally(), time.monotonic()
    nursery = Nursery()
    print(f"first seed {first}, for {seconds:g} s", flush=True)
    while tally.runs < most and (tally.runs == 0 or time.monotonic() - start < seconds):
        seed = first + tally.runs
        path = kept / f"{seed}.jsonl"
        try:
            outcome = await execute(plan(seed), path, mutants, nursery)
        except Exception:  # noqa: BLE001 - no verdict: counted, told, and not the end of the hour
            tally.broken.append(seed)
            traceback.print_exc()
            continue
        finally:
            tally.runs += 1
            tally.seconds = time.monotonic() - start
        tally.add(outcome)
        print(_line(outcome), flush=True)
        if outcome.violations:
            print(told(outcome.violations, outcome.history.events), flush=True)
        else:
            path.unlink()
        target.write_text(report(tally, first, os.cpu_count() or 1), encoding="utf-8")
    print(report(tally, first, os.cpu_count() or 1))
    nursery.close()
    return 1 if tally.found or tally.broken else 0


def _line(outcome: Outcome) -> str:
    plan = outcome.plan
    deeds = " ".join(deed.what for deed in plan.deeds)
    names = sorted({violation.property for violation in outcome.violations})
    return f"seed {plan.seed}  {plan.topology.name}, {plan.topology.nodes} workers: {deeds}  {' '.join(names) or 'ok'}"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
