"""One operation of the Model Context Protocol, as a rule sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.refusals import Refusal

NAMED: Final[Mapping[str, str]] = {"tools/call": "tool", "resources/read": "resource", "prompts/get": "prompt"}
"""The methods that name an item, and what kind of item it is: what a rule selects by."""

Mode = Literal["header", "body"]
Id = str | int | None


class Operation(NamedTuple):
    """What is asked, and where it was read: one JSON-RPC request or notification, or what the transport has of its own."""

    method: str  # of JSON-RPC: "tools/call"; "GET", "DELETE", "response": ``mcp.versions``
    name: str | None  # the tool, the prompt, or the resource's URI; None where the method names none
    mode: Mode  # by what it is decided; a header alone knows no arguments
    version: str | None = None  # MCP-Protocol-Version; None: not said
    arguments: Mapping[str, Any] | None = None  # of a tool or a prompt; None in header mode
    id: Id = None  # of the JSON-RPC request; None: a notification, or header mode
    capabilities: Mapping[str, Any] | None = None  # what the client said it can do, in the request itself (2026-07-28)

    goes_on: bool = False  # with what the client answered the server (``mcp.goingon``): it says more than its arguments

    @property
    def item(self) -> str | None:
        """``"tool"``, ``"resource"`` or ``"prompt"``; None: a method that names nothing."""
        return NAMED.get(self.method)


class Misread(NamedTuple):
    """Why an operation could not be read, for whoever has shown a good token: a refusal, and how JSON-RPC puts it."""

    refusal: Refusal
    mode: Mode
    error: int  # of JSON-RPC
    id: Id = None  # of the request, where that much could be read
    requested: str | None = None  # the version that is not known
