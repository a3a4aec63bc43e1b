"""Compiled selectors of a resource's rules: methods and path patterns, in linear time."""

from collections.abc import Sequence
from typing import Final, final

NONE: Final = -1
AMBIGUOUS: Final = -2

class BadPattern(ValueError):
    """A path pattern that no path could match, or a method that is no HTTP token; the text says why."""

@final
class Rules:
    """Rules in order, each ``(methods or None for any, path pattern or None for any, preflight)``.

    ``*`` is one or more characters of one segment, ``**`` only the last segment (``/a/**`` matches ``/a/`` and below);
    case and final slash significant; GET matches HEAD too; CONNECT has to be named by the first that fits, else none matches.
    Raises BadPattern.
    """

    def __init__(self, rules: Sequence[tuple[Sequence[str] | None, str | None, bool]]) -> None: ...
    def match(self, method: bytes, path: bytes, preflight: bool, start: int = 0) -> int:
        """The first rule at or after ``start`` whose selectors match, else NONE.

        AMBIGUOUS: an earlier rule (at or after ``start``, with matching method) misses the path only by case, by dots or
        spaces at a segment's end, or by a final slash, and a later one matches.
        """

    def __len__(self) -> int: ...
