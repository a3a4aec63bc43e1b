"""Audiences of a resource: the configured strings and their twins (contracts, section 2, Audience).

A token's ``aud`` is compared byte for byte and never normalised.  Only our side knows two spellings, and only of an https
URL that is all host: MCP clients send both ``https://api.example.com`` and ``https://api.example.com/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEME: Final = "https://"


def twin(audience: str) -> str | None:
    """The same https URL with or without its final slash; None unless it has an empty or ``/`` path and no query."""
    if not audience.startswith(_SCHEME):
        return None
    host, slash, rest = audience.removeprefix(_SCHEME).partition("/")
    if not host or rest or "?" in host or "#" in host:
        return None
    return _SCHEME + host if slash else audience + "/"


def accepted(configured: Iterable[str]) -> frozenset[str]:
    """All that a token may be addressed to: what is configured, and its twins."""
    given = frozenset(configured)
    return given | {other for other in map(twin, given) if other is not None}


def confused(one: Iterable[str], other: Iterable[str]) -> tuple[str, str] | None:
    """A configured audience of each resource that are twins of each other.

    Written the same in both, an audience is shared on purpose; spelled differently, each side would silently take the
    other's tokens.
    """
    others = frozenset(other)
    for audience in one:
        spelling = twin(audience)
        if spelling is not None and spelling in others:
            return audience, spelling
    return None
