"""Tools that are not, or no longer, what somebody has reviewed.

A review is a list of tools with their digests.  A server may list other tools to us at any time; what is new was never
reviewed, and what says something else of itself than it did is another tool under a known name.  Such a tool stays denied
until the next review, also where the server goes back to what it said before: whoever can do that can do it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bearerd.mcp.listing import Tool


class Pins:
    """What one process knows of it.  Bounded by the reviews: only their own tools can be marked."""

    def __init__(self) -> None:
        self._marks: dict[str, dict[str, str]] = {}  # by review: tool -> the digest that it was seen with

    def see(self, review: str, reviewed: Mapping[str, str], tools: Iterable[Tool]) -> dict[str, str]:
        """A server's list: the tools that are found changed now and were not known to be (name -> digest)."""
        changed = {tool.name: tool.digest for tool in tools if reviewed.get(tool.name, tool.digest) != tool.digest}
        return self.take(review, reviewed, changed)

    def take(self, review: str, reviewed: Mapping[str, str], marks: Mapping[str, str]) -> dict[str, str]:
        """Marks of somebody else's; returns those that are new."""
        known = self._marks.get(review, {})
        new = {
            name: digest
            for name, digest in marks.items()
            if name not in known and name in reviewed and reviewed[name] != digest
        }
        if new:
            self._marks[review] = known | new
        return new

    def changed(self, review: str, tool: str) -> bool:
        """Whether a tool of a review says something else by now."""
        return tool in self._marks.get(review, ())

    def any(self, review: str) -> bool:
        """Whether one of them does."""
        return review in self._marks

    def of(self, review: str) -> Mapping[str, str]:
        """All of them."""
        return self._marks.get(review, {})

    def keep(self, reviews: Collection[str]) -> None:
        """Forget what belongs to no review that is in use."""
        self._marks = {review: marks for review, marks in self._marks.items() if review in reviews}
