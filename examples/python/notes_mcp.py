"""An MCP server on the official SDK (mcp 2).  Run:  python notes_mcp.py"""

import asyncio

from mcp.server.mcpserver import MCPServer

import bearerd
from bearerd.adapters.mcp_sdk import TokenVerifier

verifier = bearerd.Verifier.from_config("bearerd.toml")
guard = TokenVerifier(verifier, resource="notes")
server = MCPServer("notes", token_verifier=guard, auth=guard.settings, middleware=[guard.operations])


@server.tool()
def read_note(name: str) -> str:
    """A note."""
    return f"{name}: buy milk"


@server.tool()
def delete_notes() -> str:
    """Nothing is left."""
    return "deleted"


async def main() -> None:
    async with verifier:
        await server.run_streamable_http_async(port=9001)


asyncio.run(main())
