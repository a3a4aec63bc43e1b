"""How much a call brings: whatever judges its arguments costs as much as there is of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Made once, and asked by type first: to ask an abstract class takes its time.
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_LISTS: Final = (list, tuple)
_HOLDING: Final = (dict, *_LISTS, Mapping)


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


def too_much(arguments: Any, most: int, deepest: int) -> str | None:
    """Why a program's own arguments are not looked at: of a message they would be a part of one that is refused.

    It goes level by level, so that what holds itself comes to an end, too.
    """
    count, level = 1, [arguments]
    for _ in range(deepest + 1):
        held: list[Any] = []
        for one in level:
            if type(one) in _PLAIN or not isinstance(one, _HOLDING):
                continue
            if count + len(held) + len(one) > most:
                return f"more than {most} values"
            held += one if isinstance(one, _LISTS) else one.values()
        if not held:
            return None
        count, level = count + len(held), held
    return f"arguments of more than {deepest} levels"
