"""Compiled selectors of an MCP resource's rules: tools, resources, prompts and methods, by name or glob."""

from collections.abc import Iterable, Sequence
from typing import Final, final

NONE: Final = -1
AMBIGUOUS: Final = -2

@final
class Operations:
    """Rules in order, each ``[(kind, pattern, its twin)]``; a kind is a place in ``mcp.globs.KINDS``.

    For heads: ``free``, methods for which no rule is needed; ``versions``, of those by which headers are believed;
    ``reviewed``, the only tools that may be called.
    """

    def __init__(
        self,
        rules: Sequence[Sequence[tuple[int, str, str]]],
        free: Iterable[str] = (),
        versions: Iterable[str] = (),
        reviewed: Iterable[str] | None = None,
    ) -> None: ...
    def match(self, kind: int, name: bytes, folded: bytes) -> int:
        """The first rule whose selectors match, else NONE.

        AMBIGUOUS: an earlier rule misses the name only once it is folded, and this one would decide.
        """

def matches(kind: int, pattern: bytes, name: bytes) -> bool:
    """Whether one pattern matches a name."""
