"""``/mcp/NAME``: bearerd stands in front of an MCP server itself, and sees what is asked, with its arguments, and what is answered."""
