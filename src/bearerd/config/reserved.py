"""Keys that the documentation names and this version does not have yet: said plainly, never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd.config.problems import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bearerd.config.problems import Problems

_GUARD: Final = "it comes with the MCP guard"

_KEYS: Final = {
    ("issuer", "*", "preset"): "set algorithms, scope_claims, role_claims and typ yourself",
    ("caller", "*", "client_cert"): "use secret_file",
}


def take_out(tree: dict[str, Any], problems: Problems) -> None:
    """Remove what is reserved from the parsed file, with a problem for each."""
    for pattern, remedy in _KEYS.items():
        *parents, last = pattern
        for path, parent in _find(tree, parents, ()):
            if isinstance(parent, dict) and last in parent:
                del parent[last]
                problems.add(dotted("", (*path, last)), "not available in this version", remedy)


def _find(node: Any, pattern: list[str], path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every place in the tree that a pattern names; ``*`` is any table's key or list's index."""
    if not pattern:
        yield path, node
        return
    head, *rest = pattern
    if head == "*":
        entries: list[tuple[str | int, Any]] = []
        if isinstance(node, dict):
            entries = [*node.items()]
        elif isinstance(node, list):
            entries = [*enumerate(node)]
        for key, child in entries:
            yield from _find(child, rest, (*path, key))
    elif isinstance(node, dict) and head in node:
        yield from _find(node[head], rest, (*path, head))
