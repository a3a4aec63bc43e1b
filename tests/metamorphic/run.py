#!/usr/bin/env python3
"""``python tests/metamorphic/run.py STEPS [SEED]``: worlds of some thousand steps each, until there were that many steps.

Exit 1 and the seed of the world where a warm process and a cold one differ; that seed alone plays it again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from metamorphic.world import Differs, World

A_WORLD = 2_000  # steps


def play(seed: int, steps: int, folder: Path) -> Counter[str]:
    """One world.  Raises Differs, with its last deeds."""
    world = World(seed, folder)
    for number in range(steps):
        try:
            world.step()
        except Differs as found:
            deeds = "\n".join(world.deeds)
            raise Differs(f"seed {seed}, step {number}\n{deeds}\n{found}") from None
    return world.counts


def main() -> int:
    """See the module."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000_000
    counts: Counter[str] = Counter()
    began, done = time.perf_counter(), 0
    print(f"seed {seed}, {steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        while done < steps:
            most = min(A_WORLD, steps - done)
            try:
                counts += play(seed + done, most, Path(folder))
            except Differs as found:
                print(found)
                return 1
            done += most
    print(f"{done} steps in {time.perf_counter() - began:.0f} s, no difference")
    for what, times in sorted(counts.items()):
        print(f"{times:>9} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
