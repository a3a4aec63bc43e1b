"""How much a call brings: whatever judges its arguments costs as much as there is of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def more_than(most: int, arguments: Any, most_text: int | None = None) -> bool:
    """Whether there are more values in them, or more characters.  No more is counted than may be there."""
    values, characters, waiting = 0, 0, [arguments]
    while waiting:
        one = waiting.pop()
        values += 1
        if isinstance(one, str):
            characters += len(one)
        elif isinstance(one, Mapping):
            characters += sum(len(str(name)) for name in one) if most_text is not None else 0
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
        if values + len(waiting) > most or (most_text is not None and characters > most_text):
            return True
    return False
