"""What a rule's patterns of items and methods may look like; ``native.operations`` matches them.

``*`` is any run of characters, none too, and in the URI of a resource none of ``/``; ``**`` is any run there, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd._native import operations
from bearerd.mcp.operation import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: Final = ("tool", "resource", "prompt", "mcp")
"""The selectors of a rule, by the numbers of ``native.operations``."""

LONGEST: Final = 1024  # characters of a pattern


def wrong(kind: str, pattern: str) -> tuple[str, str] | None:
    """What keeps a text from being a pattern, and the remedy; None where it is one."""
    if not pattern:
        return "an empty name", "remove it"
    if len(pattern) > LONGEST:
        return f"longer than {LONGEST} characters", "name it by a glob"
    if not pattern.isprintable() or pattern != pattern.strip():
        return f"{pattern!r} has control characters, or spaces around it", "write it as the server lists it"
    if kind == "mcp":
        return _wrong_method(pattern)
    if kind == "resource" and ":" not in pattern and "*" not in pattern:
        return f'"{pattern}" is not an absolute URI', 'write it as the server lists it: "file:///srv/docs/**"'
    if kind != "resource" and "**" in pattern:
        return f'"{pattern}": ** stands only in the URIs of resources', "write *: a name is one run of characters"
    return None


def any_of(patterns: Iterable[str], name: str, kind: str = "tool") -> bool:
    """Whether one of the patterns matches a name."""
    number = KINDS.index(kind)
    return any(operations.matches(number, pattern.encode(), name.encode()) for pattern in patterns)


def _wrong_method(pattern: str) -> tuple[str, str] | None:
    if pattern in NAMED:
        item = NAMED[pattern]
        return f'"{pattern}" names a {item}, and is selected by it', f'write {item} = "*" for any {item}'
    if "**" in pattern:
        return f'"{pattern}": ** stands only in the URIs of resources', 'write *: "notifications/*" is all of them'
    return None
