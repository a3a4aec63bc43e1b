#!/usr/bin/env python3
"""A small MCP server on the official SDK (mcp 2).  It knows nothing of tokens: bearerd decides, and says who asks.

Run:  python server.py [127.0.0.1:9000]
"""

from __future__ import annotations

import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
def list_users() -> list[str]:
    """Everybody who has an account."""
    return ["alice", "bob", "carol"]


@server.tool()
def delete_database(name: str, context: Context) -> str:
    """Delete a database, with all that is in it."""
    subject = (context.headers or {}).get("x-auth-subject", "nobody")  # in place of the token, which bearerd keeps
    return f"{name} is deleted, as {subject} asked"


if __name__ == "__main__":
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9000").rpartition(":")
    server.run("streamable-http", host=host, port=int(port), json_response=True)
