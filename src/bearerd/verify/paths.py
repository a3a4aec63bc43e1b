"""Claim paths: where in its claims a token keeps its scopes, its roles, or whatever a header is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def at(claims: Mapping[str, Any], path: str) -> Any:
    """The value at a path, None where there is none.

    A path is tried as a whole member name first (``https://ns.example/roles``), then split at its dots
    (``realm_access.roles``).
    """
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def words(claims: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The words at all of these paths, united, in order: of a string those between spaces, of a list its strings.

    Any other shape (an object keyed by role, a number) holds no word: it grants nothing.
    """
    found: dict[str, None] = {}
    for path in paths:
        value = at(claims, path)
        if isinstance(value, str):
            found.update(dict.fromkeys(word for word in value.split(" ") if word))
        elif isinstance(value, list):
            found.update(dict.fromkeys(word for word in value if isinstance(word, str) and word))
    return tuple(found)
