"""Claim paths: where in its claims a token keeps its scopes, its roles, or whatever a header is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bearerd._native.claims import at, united

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["at", "roles"]


def roles(claims: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The roles at all of these paths, united, in order: a string is one role.

    Who is "not admin" is no admin; and a directory's groups have spaces in their names.
    """
    return united(claims, paths, None)
