"""The revisions of the specification that are understood, and the methods that each of them knows.

A method that its revision does not know is denied unless a rule names it: what a server makes of it, nobody has said.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bearerd.mcp.operation import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping

UNSAID: Final = "2025-03-26"
"""What a message without ``MCP-Protocol-Version`` is written in: the last revision that did not have the field."""

SESSIONS: Final = ("2025-03-26", "2025-06-18", "2025-11-25")
"""Those with ``initialize``, with a stream to listen to (GET), and with sessions to end (DELETE)."""

CHECKED: Final = ("2026-07-28",)
"""Those by which a server MUST compare ``Mcp-Method``, ``Mcp-Name`` and ``MCP-Protocol-Version`` with the body."""

KNOWN: Final = (*SESSIONS, *CHECKED)

TRANSPORT: Final = frozenset({"GET", "DELETE"})
"""Methods of HTTP that are the transport's own where there are sessions; a rule names them as they are (``mcp = "GET"``)."""

ANSWER: Final = "response"
"""What a client's answer to a server is called where it may send one; a rule names it so.  It has no method of its own."""

_NOTIFICATIONS: Final = frozenset(
    {
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
    }
)
_LISTS: Final = frozenset(
    {"completion/complete", "prompts/list", "resources/list", "resources/templates/list", "tools/list"}
)
_OF_SESSIONS: Final = frozenset(
    {
        *_NOTIFICATIONS,
        *_LISTS,
        "initialize",
        "logging/setLevel",
        "ping",
        "resources/subscribe",
        "resources/unsubscribe",
    }
)
_TASKS: Final = frozenset({"notifications/tasks/status", "tasks/cancel", "tasks/get", "tasks/list", "tasks/result"})

METHODS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "2025-03-26": _OF_SESSIONS,
        "2025-06-18": _OF_SESSIONS,
        "2025-11-25": _OF_SESSIONS | _TASKS,
        "2026-07-28": _NOTIFICATIONS | _LISTS | {"server/discover", "subscriptions/listen"},
    }
)
"""Of each revision, what a client may send that names no item."""

if not set(METHODS) == set(KNOWN) or any(NAMED.keys() & known for known in METHODS.values()):
    raise AssertionError("versions.METHODS must hold each revision once, and no method that names an item")


def speaking(method: str) -> str:
    """The newest revision that has a method; the newest of all, where none has."""
    return next((version for version in reversed(KNOWN) if knows(version, method)), KNOWN[-1])


def knows(version: str | None, method: str) -> bool:
    """Whether a method that names no item is one of its revision's, or of its transport's."""
    spoken = version or UNSAID
    if method in TRANSPORT or method == ANSWER:
        return spoken in SESSIONS
    return method in METHODS.get(spoken, ())
