"""Bars in SVG: what an answer costs, by the medians."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Final

LABELS, BARS, END, LINE = 360, 420, 70, 22  # widths, and the height of a line
COLOURS: Final = {True: "#0b6e4f", False: "#9aa5b1"}  # ours, and everybody else's


Figure = tuple[str, str, float]  # label, group, microseconds


def drawn(*parts: Sequence[Figure]) -> str:
    """A picture: a heading a group, a bar each, and each part to a scale of its own."""
    lines = [line for figures in parts if figures for line in _lines(figures)]
    width, height = LABELS + BARS + END, LINE * (len(lines) + 1)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">'
    title = "<title>Microseconds of CPU for an answer</title>"
    back = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    body = [line.replace("{y}", str(LINE * (number + 1))) for number, line in enumerate(lines)]
    return "\n".join([head, title, back, *body, "</svg>", ""])


def _lines(figures: Sequence[Figure]) -> Iterator[str]:
    most, group = max(cost for _, _, cost in figures), None
    for label, of, cost in figures:
        if of != group:
            group = of
            yield f'<text x="8" y="{{y}}" font-weight="bold">{html.escape(group)} (µs)</text>'
        ours, text = "**" in label or "bearerd" in label, html.escape(label.replace("**", "").replace("`", ""))
        length = max(1.0, cost / most * BARS)
        yield (
            f'<g transform="translate(0 {{y}})"><text x="{LABELS - 8}" text-anchor="end">{text}</text>'
            f'<rect x="{LABELS}" y="-11" width="{length:.1f}" height="13" fill="{COLOURS[ours]}"/>'
            f'<text x="{LABELS + length + 6:.1f}">{cost:.1f}</text></g>'
        )
