"""The tables of docs/gateway-tricks.md, made from the corpus and from what the last ``make tricks`` wrote down."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bearerd.tricks import GROUPS, TRICKS

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "tests" / "gateways" / "tricks.json"
OUTCOMES = ("refused", "stopped", "harmless")
HOLES = ("reached", "forged", "lost", "desync")

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples" / "demo")]


def _record() -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    return json.loads(RECORD.read_text())  # type: ignore[no-any-return]


def results() -> str:
    """Groups against gateways: refused by bearerd / stopped by the gateway / harmless / holes."""
    kept = _record()["kept"]
    gateways = list(kept)  # in the order in which they were tried
    lines = ["| group | tricks | " + " | ".join(gateways) + " |", "|---|---|" + "---|" * len(gateways)]
    sums = {gateway: [0, 0, 0, 0] for gateway in gateways}
    for group, about in GROUPS.items():
        cells = []
        for gateway in gateways:
            counts = kept[gateway].get(group, {})
            row = [*(counts.get(name, 0) for name in OUTCOMES), sum(counts.get(name, 0) for name in HOLES)]
            sums[gateway] = [a + b for a, b in zip(sums[gateway], row, strict=True)]
            cells.append(" / ".join(map(str, row)))
        number = sum(trick.group == group for trick in TRICKS)
        lines.append(f"| **{group}**: {about} | {number} | " + " | ".join(cells) + " |")
    totals = " | ".join(" / ".join(map(str, sums[gateway])) for gateway in gateways)
    return "\n".join([*lines, f"| all | {len(TRICKS)} | {totals} |"])


def weaknesses() -> str:
    """The configurations that were spoiled, and how many tricks work on each."""
    from gateways.weak import WEAKNESSES

    bites = _record()["bites"]
    lines = ["| configuration | what is wrong with it | tricks that work on it |", "|---|---|---|"]
    for weakness in WEAKNESSES:
        number = sum(weakness.name in names for names in bites.values())
        lines.append(f"| `{weakness.name}` | {weakness.says} | {number} |")
    return "\n".join(lines)


def _shown(text: str) -> str:
    return text.replace("|", "\\|")


def tricks() -> str:
    """Every trick: what it hopes for, and where it works."""
    bites = _record()["bites"]
    lines = ["| trick | what it hopes for | works on |", "|---|---|---|"]
    for trick in TRICKS:
        where = list(bites.get(trick.name, ()))
        real = [name for name in where if not name.startswith("naive")]
        shown = ", ".join(f"`{name}`" for name in (real[:3] or where[:3])) + (
            f" and {len(where) - 3} more" if len(where) > 3 else ""
        )
        lines.append(f"| `{trick.name}` | {_shown(trick.tries)} | {shown or f'*inert: {_shown(trick.inert)}*'} |")
    return "\n".join(lines)
