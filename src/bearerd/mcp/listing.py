"""``tools/list``: the tools that a server offers, each with a digest of all that it says of itself.

A tool is what its description makes a model believe, so a changed description is another tool: the digest is over the whole
definition in canonical form, whatever members it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd.mcp import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

METHOD: Final = "tools/list"


class Tool(NamedTuple):
    """One tool as its server lists it."""

    name: str
    digest: str  # SHA-256 of the canonical definition, in hex
    definition: Mapping[str, Any]


def tools_of(result: object) -> list[Tool] | None:
    """The tools of a result of ``tools/list``; None: it is no such result, or one of them cannot be told by name."""
    if not isinstance(result, Mapping) or not isinstance(result.get("tools"), list):
        return None
    found = []
    for definition in result["tools"]:
        if not isinstance(definition, Mapping) or not isinstance(definition.get("name"), str):
            return None
        try:
            digest = canonical.digest(definition)
        except ValueError:  # a number or a text that has no canonical form
            return None
        found.append(Tool(definition["name"], digest, definition))
    return found


class Unreadable(Exception):
    """A message in which tools might stand unseen."""


def shown(message: bytes, keep: Callable[[Iterable[Tool]], Iterable[Tool]]) -> bytes:
    """A message of the server's, with only those of its listed tools that ``keep`` returns; one without tools as it came.

    A list is written anew also where all of it is kept: of a member that stands there twice, a client might read the other.
    Raises Unreadable for what is no JSON, and for a list of tools that cannot be read.
    """
    try:
        read = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise Unreadable("no JSON") from None
    answers = read if isinstance(read, list) else [read]
    changed = [_shown(answer, keep) for answer in answers]
    if all(new is old for new, old in zip(changed, answers, strict=True)):
        return message
    return orjson.dumps(changed if isinstance(read, list) else changed[0])


def _shown(answer: Any, keep: Callable[[Iterable[Tool]], Iterable[Tool]]) -> Any:
    if not isinstance(answer, dict) or not isinstance(result := answer.get("result"), dict) or "tools" not in result:
        return answer
    tools = tools_of(result)
    if tools is None:
        raise Unreadable("a list of tools that cannot be read")
    return {**answer, "result": {**result, "tools": [dict(tool.definition) for tool in keep(tools)]}}
