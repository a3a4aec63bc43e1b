"""One operation of the Model Context Protocol, as a rule sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMED: Final[Mapping[str, str]] = {"tools/call": "tool", "resources/read": "resource", "prompts/get": "prompt"}
"""The methods that name an item, and what kind of item it is: what a rule selects by."""


class Operation(NamedTuple):
    """What is asked, and where it was read: one JSON-RPC request or notification."""

    method: str  # of JSON-RPC: "tools/call"
    name: str | None  # the tool, the prompt, or the resource's URI; None where the method names none
    mode: Literal["header", "body"]  # by what it is decided; a header alone knows no arguments
    version: str | None = None  # MCP-Protocol-Version; None: not said
    arguments: Mapping[str, Any] | None = None  # of a tool or a prompt; None in header mode

    @property
    def item(self) -> str | None:
        """``"tool"``, ``"resource"`` or ``"prompt"``; None: a method that names nothing."""
        return NAMED.get(self.method)
