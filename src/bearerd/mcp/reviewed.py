"""A list of tools that somebody has reviewed: the saved answer to ``tools/list``, and what its annotations say.

An annotation is a hint of the server's own, worth something only once a human has looked at it; that is what the file is for.
What is not said is as the specification has it: a tool may change things unless it says ``readOnlyHint``, and what it
changes may be lost unless it denies ``destructiveHint``.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

MOST_BYTES: Final = 4 * 1024 * 1024


def read(text: bytes) -> dict[str, bool]:
    """Each tool's name, and whether it is destructive.  Raises ValueError with what is wrong.

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
    for tool in tools:
        name, destructive = _tool(tool)
        if name in reviewed:
            raise ValueError(f'the tool "{name}" is listed twice')
        reviewed[name] = destructive
    return reviewed


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
