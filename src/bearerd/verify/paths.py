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
    if "." not in path:
        return None
    first, *more = path.split(".")
    value = claims.get(first)
    for name in more:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def scopes(claims: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The scopes at all of these paths, united, in order: a string holds those between its spaces (RFC 6749 section 3.3)."""
    return _united(claims, paths, " ")


def roles(claims: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The roles at all of these paths, united, in order: a string is one role.

    Who is "not admin" is no admin; and a directory's groups have spaces in their names.
    """
    return _united(claims, paths, None)


def _united(claims: Mapping[str, Any], paths: Iterable[str], between: str | None) -> tuple[str, ...]:
    """Of a list the strings count.  Any other shape (an object keyed by role, a number) grants nothing.

    ``between``: what separates the names of one string, where it may hold several.
    """
    found: dict[str, None] = {}
    for path in paths:
        value = claims.get(path)
        if value is None and "." in path:
            value = at(claims, path)
        if isinstance(value, str):
            found |= dict.fromkeys((value,) if between is None else value.split(between))
        elif isinstance(value, list):
            found |= dict.fromkeys([name for name in value if isinstance(name, str)])
    found.pop("", None)
    return tuple(found)
