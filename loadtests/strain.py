#!/usr/bin/env python3
"""``make strain``: bearerd with a million of everything, in floods and overload; writes docs/strain-report.md.

STRAIN_SECONDS (3) a window, STRAIN_ROUNDS (5), STRAIN_ONLY=name,name (then the report goes to standard output only).
Exit code 1 for a wrong answer; a figure that misses what it is to be is said to, and is no failure: machines differ.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import facts
import strain_report
from cores import Cores
from place import Place
from strains import ALL
from strains.scene import Section


def chosen(names: str) -> list[str]:
    """Whose sections.  Raises SystemExit for a name that nobody has."""
    wanted = {name for name in names.replace(" ", "").split(",") if name}
    if unknown := wanted - set(ALL):
        raise SystemExit(f"no such strain: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    return [name for name in ALL if not wanted or name in wanted]


def main() -> int:
    """One after the other, each in a place of its own, so that nothing is left of the one before."""
    only, cores = os.environ.get("STRAIN_ONLY", ""), Cores.at_hand()
    machine, made = list(facts.machine(cores)), list[Section]()
    for name in chosen(only):
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder, Place(Path(folder), cores) as place:
            made.append(ALL[name](place))
        print("\n".join(strain_report.section(made[-1])), flush=True)
    if not only:
        strain_report.write(made, machine)
        print(f"\nreport: {strain_report.FILE}")
    return 1 if any(each.wrong for each in made) else 0


if __name__ == "__main__":
    sys.exit(main())
