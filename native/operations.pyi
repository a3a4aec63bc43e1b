"""Compiled selectors of an MCP resource's rules: tools, resources, prompts and methods, by name or glob."""

from collections.abc import Iterable, Sequence
from typing import Final, final

NONE: Final = -1
AMBIGUOUS: Final = -2

@final
class Operations:
    """Rules in order, each ``[(kind, pattern, its twin)]``; ``free``: methods for which no rule is needed.

    A kind is a place in ``mcp.globs.KINDS``.
    """

    def __init__(self, rules: Sequence[Sequence[tuple[int, str, str]]], free: Iterable[str] = ()) -> None: ...
    def match(self, kind: int, name: bytes, folded: bytes) -> int:
        """The first rule whose selectors match, else NONE.

        AMBIGUOUS: an earlier rule misses the name only once it is folded, and this one would decide.
        """

def matches(kind: int, pattern: bytes, name: bytes) -> bool:
    """Whether one pattern matches a name."""
