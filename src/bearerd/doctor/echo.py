"""What an upstream received, where it says so itself: an answer that lists method, target and header fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from bearerd.tricks import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.tricks import Answer


def seen(answer: Answer) -> Seen | None:
    """The request as the upstream tells it; None: this answer tells nothing.

    JSON with ``headers``: a list of pairs (the examples' upstream), or an object (httpbin and its kin); beside it ``method`` and
    ``target``, ``url`` or ``path``.
    """
    try:
        told: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    fields = _fields(told.get("headers")) if isinstance(told, dict) else None
    if fields is None:
        return None
    method = told.get("method") or "GET"
    target = next((told[name] for name in ("target", "url", "path") if isinstance(told.get(name), str)), "/")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return Seen("\r\n".join(lines).encode("latin-1", "replace"))


def values(fields: Iterable[tuple[str, str]], name: str) -> list[str]:
    """Those of one header that are not empty."""
    return [value for given, value in fields if given.lower() == name.lower() and value]


def _fields(told: Any) -> list[tuple[str, str]] | None:
    if isinstance(told, dict):
        pairs = [(name, one) for name, value in told.items() for one in (value if isinstance(value, list) else [value])]
    elif isinstance(told, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in told):
        pairs = [(pair[0], pair[1]) for pair in told]
    else:
        return None
    return [(name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str)]
