"""Which rule of an MCP resource decides an operation (docs/mcp.md, Rules).

An item that no rule selects is denied; so is a method that its revision does not know.  Whatever else the specification has
needs no rule: the resource's own scopes are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from bearerd._native import operations as native
from bearerd.mcp import folding, globs, versions
from bearerd.mcp.operation import NAMED
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bearerd.mcp.operation import Operation

NOBODY: Final = -1
_METHODS: Final = globs.KINDS.index("mcp")
_UNSAID: Final = Refusal(Code.BAD_REQUEST, "nobody said what is asked of the MCP server")
_NO_RULE: Final = "no rule selects it"
_NEAR_MISS: Final = "the name misses an earlier rule only by case or spelling"
_NEARLY_NAMED: Final = Refusal(Code.AMBIGUOUS_PATH, "the method is another spelling of one that names an item")


class Rule(Protocol):
    """As much of a rule (``policy.resource``) as its selectors are."""

    @property
    def of_operations(self) -> bool:
        """Whether it selects what is asked of an MCP server."""

    @property
    def resource(self) -> tuple[str, ...] | None:
        """The URIs that it selects; ``tool``, ``prompt`` and ``mcp`` stand beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """The compiled selectors of some rules."""

    matcher: native.Operations
    has_uris: bool  # a rule selects by the URI of a resource
    reviewed: Mapping[str, bool] | None  # the tools of ``tools_file``; None: there is none

    def find(self, operation: Operation | None) -> tuple[int, Refusal | None]:
        """The rule's place, or NOBODY; and why it may not be, for whoever has shown a good token.

        NOBODY without a refusal: it needs no rule.
        """
        if operation is None:
            return NOBODY, _UNSAID
        item, method = operation.item, operation.method
        if item is None:
            return self._of_method(method, operation.version)
        name = operation.name or ""
        if item == "resource" and self.has_uris and (why := folding.ambiguous(name)) is not None:
            return NOBODY, Refusal(Code.AMBIGUOUS_PATH, f"the URI can be read in more than one way: {why}")
        if item == "tool" and self.reviewed is not None and name not in self.reviewed:
            return NOBODY, Refusal(
                Code.UNREVIEWED_TOOL, "the tool is not in tools_file, or no longer what was reviewed"
            )
        if item != "resource" and not name.isprintable():
            return NOBODY, Refusal(
                Code.AMBIGUOUS_PATH, "the name has characters that some servers cut it off at, or drop"
            )
        at = self._match(globs.KINDS.index(item), item, name)
        return at, _refusal(at, f"{item}: {_NO_RULE}")

    def _of_method(self, method: str, version: str | None) -> tuple[int, Refusal | None]:
        if folding.folded("mcp", method) in NAMED:  # which rules of ``mcp`` have no say in, however a server reads it
            return NOBODY, _NEARLY_NAMED
        at = self._match(_METHODS, "mcp", method)
        if at == native.NONE and versions.knows(version, method):
            return NOBODY, None
        return at, _refusal(at, f"a method that {version or versions.UNSAID} does not have, and no rule names")

    def _match(self, number: int, kind: str, name: str) -> int:
        return self.matcher.match(number, name.encode(), folding.folded(kind, name).encode("utf-8", "replace"))


def _refusal(at: int, none: str) -> Refusal | None:
    if at == native.AMBIGUOUS:
        return Refusal(Code.AMBIGUOUS_PATH, _NEAR_MISS)
    return Refusal(Code.FORBIDDEN, none) if at == native.NONE else None


def guard(rules: Sequence[Rule], reviewed: Mapping[str, bool] | None = None) -> Guard | None:
    """Over some rules, each at its place; None where none of them selects operations."""
    if not any(rule.of_operations for rule in rules):
        return None
    compiled = [
        [(number, text, folding.folded(kind, text)) for number, kind, text in _patterns(rule)] for rule in rules
    ]
    free = sorted(set().union(*(versions.METHODS[version] for version in versions.CHECKED)))
    matcher = native.Operations(compiled, free, versions.CHECKED, reviewed)
    return Guard(matcher, any(rule.resource for rule in rules), reviewed)


def _patterns(rule: Rule) -> list[tuple[int, str, str]]:
    return [(number, kind, text) for number, kind in enumerate(globs.KINDS) for text in getattr(rule, kind) or ()]
