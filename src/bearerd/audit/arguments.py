"""The arguments of an operation as they may stand in a record: what the configuration calls sensitive is not told.

What that is, the policy says (``mcp.redact``).  Whatever looks like a credential is taken out on top of it, as everywhere.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bearerd.log import clean
from bearerd.mcp import canonical
from bearerd.mcp.redact import REDACTED, TOO_DEEP, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.mcp.redact import Watched


class Told(NamedTuple):
    """Of one call."""

    fields: dict[str, Any]  # members of its record
    found: tuple[str, ...]  # the names of the patterns that were found


def told(arguments: Mapping[str, Any], watched: Watched | None, most: int) -> Told:
    """The arguments, or, where they take more than ``most`` bytes, that they do; and their digest.

    ``watched``: None where it is not known by which policy they are sensitive; then nothing of them is told.
    """
    shown, found = (REDACTED, ()) if watched is None else _shown(arguments, watched)
    size = len(orjson.dumps(shown))
    fields: dict[str, Any] = {"arguments": shown}
    if size > most:
        fields = {"arguments_truncated": True, "arguments_bytes": size}
    return Told(fields | {"arguments_digest": _digest(arguments)} | ({"sensitive": found} if found else {}), found)


def _shown(arguments: Mapping[str, Any], watched: Watched) -> tuple[Any, tuple[str, ...]]:
    shown, found = redacted(arguments, watched)
    try:
        text = clean(shown)
        orjson.dumps(text)
    except (RecursionError, orjson.JSONEncodeError):  # of a program's own: no body is read that deep
        return REDACTED, (*found, TOO_DEEP)
    return text, found


def _digest(arguments: Mapping[str, Any]) -> str:
    """Of the canonical form; of plain JSON where a large integer leaves them none: only a call to be confirmed is refused for that."""
    try:
        return canonical.digest(arguments)
    except Exception:  # noqa: BLE001, S110 - whatever a program's own hold, the record is to be written
        pass
    try:
        text = json.dumps(dict(arguments), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # of a program's own: its record is to be written
        return "none: not canonicalisable"
    return "json:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
