"""An MCP server of the official SDK that leaves all decisions to a gateway: ``python sdk_server.py PORT``."""

from __future__ import annotations

import sys

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("notes")


@server.tool()
def read_note(name: str) -> str:
    """A note."""
    return f"{name}: buy milk"


@server.tool()
def delete_notes(name: str = "all") -> str:
    """None is left."""
    return f"deleted {name}"


if __name__ == "__main__":
    anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # Host is the gateway's affair
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]), transport_security=anybody)
