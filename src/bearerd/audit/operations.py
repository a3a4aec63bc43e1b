"""An operation in a line of the log: OpenTelemetry's names (semantic conventions for MCP) where there are such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bearerd.mcp.operation import Misread, Operation

_ITEMS: Final = {"tool": "gen_ai.tool.name", "prompt": "gen_ai.prompt.name", "resource": "mcp.resource.uri"}
_METHOD_SHOWN: Final = 64  # characters, as native.ring has them
_NAME_SHOWN: Final = 128


def fields(operation: Operation | None, misread: Misread | None) -> dict[str, Any]:
    """What was asked, and by what it was decided; never its arguments.  Nothing where no MCP server was asked."""
    if operation is None:
        return {} if misread is None else {"mcp.mode": misread.mode}
    found: dict[str, Any] = {
        "mcp.mode": operation.mode,
        "mcp.method.name": operation.method[:_METHOD_SHOWN],
        "mcp.protocol.version": operation.version,
    }
    if operation.item is not None and operation.name is not None:
        found[_ITEMS[operation.item]] = operation.name.partition("?")[0][:_NAME_SHOWN]  # queries hold secrets
    return found
