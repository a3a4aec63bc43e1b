"""Tools that are not, or no longer, what somebody has reviewed.

A review is a list of tools with their digests.  A server may list other tools to us at any time; what is new was never
reviewed, and what says something else of itself than it did is another tool under a known name.  Such a tool stays denied
until the next review, also where the server goes back to what it said before: whoever can do that can do it again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import orjson

from bearerd.mcp import canonical
from bearerd.mcp.reviewed import LONGEST

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bearerd.mcp.listing import Tool

_SORTED: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class Pins:
    """What one process knows of it.  Bounded by the reviews: only their own tools can be marked."""

    def __init__(self) -> None:
        self._marks: dict[str, dict[str, str]] = {}  # by review: tool -> the digest that it was seen with
        # By review: tool -> a digest of how it was written when last it was what was reviewed.
        self._same: dict[str, dict[str, bytes]] = {}

    def see(self, review: str, reviewed: Mapping[str, str], tools: Iterable[Tool]) -> dict[str, str]:
        """A server's list: the tools that are found changed now and were not known to be (name -> digest).

        A digest takes a microsecond a byte.  It is made of what was reviewed alone, and of that again only where it is
        written in another way: a server that lists whatever it likes costs one for each tool, the one by which it is marked.
        """
        known, same = self._marks.get(review, {}), self._same.setdefault(review, {})
        changed: dict[str, str] = {}
        for tool in tools:
            wanted = reviewed.get(tool.name)
            if wanted is None or tool.name in known or tool.name in changed:
                continue
            text = _text(tool)
            written = hashlib.sha256(text).digest()
            if same.get(tool.name) == written:
                continue
            digest = _digest(tool, text)
            if digest == wanted:
                same[tool.name] = written
            else:
                changed[tool.name] = digest
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
        self._same = {review: same for review, same in self._same.items() if review in reviews}


def _text(tool: Tool) -> bytes:
    """The definition, quickly: what has one text says the same, though what says the same may have two.  Empty: it is no JSON."""
    try:
        return orjson.dumps(dict(tool.definition), option=_SORTED)
    except TypeError:
        return b""


def _digest(tool: Tool, text: bytes) -> str:
    """Of the canonical form; of the text, where nothing that was reviewed is so long, or has no canonical form."""
    if text and len(text) <= LONGEST:
        try:
            return canonical.digest(tool.definition)
        except ValueError:
            pass
    return hashlib.sha256(text).hexdigest()
