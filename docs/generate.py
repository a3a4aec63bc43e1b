#!/usr/bin/env python3
"""Writes the tables of the docs from the data in the code.  ``--check`` only says whether they are true."""

from __future__ import annotations

import sys
from pathlib import Path

import mcp_tables
import tricks_tables

from bearerd.issuers.faults import MEANING
from bearerd.limits import Limits
from bearerd.mcp.detectors import BUILT_IN
from bearerd.metrics import markdown
from bearerd.refusals import TABLE

DOCS = Path(__file__).parent


def refusals() -> str:
    """The table of refusals."""
    lines = ["| code | status | `error` | remembered | meaning |", "|---|---|---|---|---|"]
    for row in TABLE.values():
        meaning = row.meaning + (f" *Not yet reachable: comes with {row.introduced_by}.*" if row.introduced_by else "")
        remembered = "briefly" if row.remembered else "–"
        lines.append(f"| `{row.code}` | {row.status} | {row.error or 'none'} | {remembered} | {meaning} |")
    return "\n".join(lines)


def limits() -> str:
    """The table of limits."""
    lines = ["| `[limits]` key | default | unit | beyond it |", "|---|---|---|---|"]
    for name, field in Limits.model_fields.items():
        extra = field.json_schema_extra
        unit = extra["unit"] if isinstance(extra, dict) else ""
        lines.append(f"| `{name}` | {field.default:,} | {unit} | {field.description} |")
    return "\n".join(lines)


def faults() -> str:
    """The reasons of failed fetches."""
    lines = ["| reason | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{reason}` | {meaning} |" for reason, meaning in MEANING.items())])


def patterns() -> str:
    """The patterns that are built in."""
    lines = ["| pattern | what it finds |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {known.about} |" for name, known in BUILT_IN.items())])


TABLES = {
    "refusals": ("refusals.md", refusals),
    "limits": ("operations.md", limits),
    "metrics": ("metrics.md", markdown),
    "detectors": ("arguments.md", patterns),
    "faults": ("keys.md", faults),
    "results": ("gateway-tricks.md", tricks_tables.results),
    "weaknesses": ("gateway-tricks.md", tricks_tables.weaknesses),
    "tricks": ("gateway-tricks.md", tricks_tables.tricks),
    "requirements": ("mcp.md", mcp_tables.requirements),
}


def main() -> int:
    """Exit 1 if a page was not true."""
    stale = []
    for name, (file, make) in TABLES.items():
        page = DOCS / file
        text = page.read_text()
        begin, end = f"<!-- {name}: made by docs/generate.py -->\n", f"\n<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        new = before + begin + make() + end + after
        if new != text:
            stale.append(file)
            if "--check" not in sys.argv:
                page.write_text(new)
    print("stale: " + ", ".join(stale) if stale else "up to date")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
