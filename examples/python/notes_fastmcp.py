"""An MCP server on FastMCP.  Run:  python notes_fastmcp.py"""

import asyncio

from fastmcp import FastMCP

import bearerd
from bearerd.adapters.fastmcp import BearerdAuth, BearerdMiddleware

verifier = bearerd.Verifier.from_config("bearerd.toml")
auth, decide = BearerdAuth(verifier, resource="memos"), BearerdMiddleware(verifier, resource="memos")
server = FastMCP("memos", auth=auth, middleware=[decide])


@server.tool
def read_note(name: str) -> str:
    """A note."""
    return f"{name}: buy milk"


@server.tool
def delete_notes() -> str:
    """Nothing is left."""
    return "deleted"


async def main() -> None:
    async with verifier:
        await server.run_http_async(port=9002, show_banner=False)


asyncio.run(main())
