"""Text that somebody hostile chose, so that a person sees what it is: nothing hidden, nothing reordered, nothing cut off.

What would not be seen, or would change how other characters are seen (controls, bidirectional marks, joiners, tags, fillers,
combining marks), is written as its code point.  What is beyond ASCII and visible stays, underlined: a Cyrillic "a" is no "a".
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from html import escape
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc"})
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters and symbols that show nothing
_PLAIN: Final = re.compile(r"[\x20-\x7e]+")
_FAR: Final = '<span class="far">{}</span>'
_CODE: Final = '<b class="code">U+{:04X}</b>'


def visible(text: str) -> str:
    """As HTML."""
    parts, at = [], 0
    while at < len(text):
        plain = _PLAIN.match(text, at)
        if plain is not None:
            parts.append(escape(plain[0]))
            at = plain.end()
            continue
        parts.append(_shown(text[at]))
        at += 1
    return "".join(parts)


def arguments(canonical: str) -> str:
    """Canonical JSON as HTML, a member a line.  Within strings, controls stay JSON's escapes; line ends are ours alone."""
    laid_out = json.dumps(json.loads(canonical), indent=2, ensure_ascii=False)
    return "\n".join(visible(line) for line in laid_out.split("\n"))


def holds_far(text: str) -> bool:
    """Whether anything of it is not plain ASCII."""
    return _PLAIN.fullmatch(text) is None and text != ""


@lru_cache(4096)
def _shown(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in _HIDDEN or character in _BLANK or kind == "Zs":
        return _CODE.format(ord(character))
    return _FAR.format(escape(character))
