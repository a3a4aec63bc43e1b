"""``tools/list``: the tools that a server offers, and of each all that it says of itself.

A tool is what its description makes a model believe, so a changed description is another tool (``mcp.pins``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd._native import jws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

METHOD: Final = "tools/list"
MOST_TOOLS: Final = 2_000  # in one answer
_MOST_DEPTH: Final = 128
_MOST_MEMBERS: Final = 1 << 20


class Tool(NamedTuple):
    """One tool as its server lists it."""

    name: str
    definition: Mapping[str, Any]


def tools_of(result: object) -> list[Tool] | None:
    """The tools of a result of ``tools/list``; None: it is no such result, or one of them cannot be told by name."""
    if (
        not isinstance(result, Mapping)
        or not isinstance(result.get("tools"), list)
        or len(result["tools"]) > MOST_TOOLS
    ):
        return None
    found = []
    for definition in result["tools"]:
        if not isinstance(definition, Mapping) or not isinstance(definition.get("name"), str):
            return None
        if _has_twin(definition, "name"):
            return None
        found.append(Tool(definition["name"], definition))
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
        if _lists_nothing(message):
            return message
        raise Unreadable("no JSON") from None
    answers = read if isinstance(read, list) else [read]
    changed = [_shown(answer, keep) for answer in answers]
    if all(new is old for new, old in zip(changed, answers, strict=True)) and _read_once(message):
        return message
    try:
        return orjson.dumps(changed if isinstance(read, list) else changed[0])
    except TypeError:
        raise Unreadable("nested too deeply") from None


def _lists_nothing(message: bytes) -> bool:
    """Of what only laxer readers take for JSON (NaN, half of an emoji): whether it is that, and has no member that could be tools."""

    def look(members: list[tuple[str, Any]]) -> None:
        names = {name.casefold() for name, _ in members}
        if "tools" in names or len(names) < len(members):
            raise ValueError

    try:
        json.loads(message.decode(), object_pairs_hook=look)
    except (ValueError, RecursionError):
        return False
    return True


def _read_once(message: bytes) -> bool:
    """Whether no member stands twice in an object, and nothing lies too deep to say."""
    try:
        jws.scan(b'{"":' + message + b"}", _MOST_DEPTH, _MOST_MEMBERS)
    except jws.Malformed:
        return False
    return True


def _has_twin(members: Mapping[str, Any], read: str) -> bool:
    """Whether another member is this one to whoever ignores case."""
    return any(name != read and name.casefold() == read for name in members)


def _shown(answer: Any, keep: Callable[[Iterable[Tool]], Iterable[Tool]]) -> Any:
    if isinstance(answer, list):
        raise Unreadable("a list within a list")
    members = answer if isinstance(answer, dict) else {}
    result = found if isinstance(found := members.get("result"), dict) else {}
    if _has_twin(members, "result") or _has_twin(result, "tools"):
        raise Unreadable("a member that is another to whoever ignores case")
    if "tools" not in result:
        return answer
    tools = tools_of(result)
    if tools is None:
        raise Unreadable("a list of tools that cannot be read")
    return {**answer, "result": {**result, "tools": [dict(tool.definition) for tool in keep(tools)]}}
