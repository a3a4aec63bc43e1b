"""A list of tools that somebody has reviewed: the saved answer to ``tools/list``, and what its annotations say.

An annotation is a hint of the server's own, worth something only once a human has looked at it; that is what the file is for.
What is not said is as the specification has it: a tool may change things unless it says ``readOnlyHint``, and what it
changes may be lost unless it denies ``destructiveHint``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd.mcp import canonical

if TYPE_CHECKING:
    from collections.abc import Container

MOST_BYTES: Final = 4 * 1024 * 1024
LONGEST: Final = 128 * 1024  # bytes of one definition, as compact JSON: a digest of more would hold a worker up


class Review(NamedTuple):
    """One list, as it was reviewed."""

    tools: dict[str, bool]  # whether each is destructive
    digests: dict[str, str]  # of all that each says of itself: SHA-256 of the canonical form, in hex
    id: str  # of the file's bytes: whatever is found out about tools since is found out about this review

    def without(self, changed: Container[str]) -> Review:
        """The same, as if some had never been reviewed."""
        return self._replace(tools={name: risky for name, risky in self.tools.items() if name not in changed})


def read(text: bytes) -> Review:
    """Raises ValueError with what is wrong.

    The text is the whole JSON-RPC response, its result, or the bare list of tools.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if isinstance(found, dict) and isinstance(found.get("result"), dict):
        found = found["result"]
    if isinstance(found, dict) and found.get("nextCursor") is not None:
        raise ValueError("it is one page of several (nextCursor): put all tools into one list")
    tools = found.get("tools") if isinstance(found, dict) else found
    if not isinstance(tools, list) or not tools:
        raise ValueError('it is no answer to tools/list: {"tools": […]}')
    reviewed: dict[str, bool] = {}
    digests: dict[str, str] = {}
    for tool in tools:
        name, destructive = _tool(tool)
        if name in reviewed:
            raise ValueError(f'the tool "{name}" is listed twice')
        reviewed[name], digests[name] = destructive, _digest(name, tool)
    return Review(reviewed, digests, hashlib.sha256(text).hexdigest()[:32])


def _digest(name: str, tool: Any) -> str:
    try:
        size = len(orjson.dumps(tool))
    except TypeError:
        raise ValueError(f'what the tool "{name}" says of itself is nested too deeply') from None
    if size > LONGEST:
        raise ValueError(f'what the tool "{name}" says of itself is longer than {LONGEST} bytes')
    return canonical.digest(tool)


def _tool(tool: Any) -> tuple[str, bool]:
    name = tool.get("name") if isinstance(tool, dict) else None
    if not isinstance(name, str) or not name:
        raise ValueError("a tool has no name")
    hints = tool.get("annotations") or {}
    if not isinstance(hints, dict):
        raise ValueError(f'the annotations of "{name}" are no object')
    for hint in ("readOnlyHint", "destructiveHint"):
        if not isinstance(hints.get(hint, False), bool):
            raise ValueError(f'{hint} of "{name}" is neither true nor false')
    return name, not hints.get("readOnlyHint", False) and hints.get("destructiveHint", True)
