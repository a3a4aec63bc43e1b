"""docs/strain-report.md: each figure beside what it is to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from strains.scene import ROUNDS, SECONDS, Section

FILE: Final = Path(__file__).resolve().parent.parent / "docs" / "strain-report.md"
HEAD: Final = """# Under strain: what was measured

Made by `make strain` on one machine, real programs on loopback; windows of {seconds:g} s, medians of {rounds}. No time is asserted anywhere:
exit code 1 only for a wrong answer. **Wrong answers: {wrong}.** Of what is promised, {met} of {promised} figures were met in this run.
"""
VERDICTS: Final = {True: "yes", False: "**no**", None: ""}


def write(made: Sequence[Section], machine: Iterable[tuple[str, str]]) -> None:
    """Write the report."""
    wrong = sum(each.wrong for each in made)
    verdicts = [row.met for each in made for row in each.rows if row.met is not None]
    head = HEAD.format(seconds=SECONDS, rounds=ROUNDS, wrong=wrong or "none", met=sum(verdicts), promised=len(verdicts))
    parts = [head, *(f"- {name}: {value}" for name, value in machine), ""]
    for each in made:
        parts += section(each)
    FILE.write_text("\n".join(parts).rstrip() + "\n")


def section(made: Section) -> Iterator[str]:
    """In Markdown."""
    yield from (f"## {made.title}", "", made.intro, "")
    yield "| | measured | to be | met |"
    yield "|---|--:|--:|:-:|"
    for row in made.rows:
        yield f"| {row.what} | {row.measured} | {row.target} | {VERDICTS[row.met]} |"
    if made.wrong:
        yield from ("", f"**{made.wrong} wrong answers.**")
    yield ""
