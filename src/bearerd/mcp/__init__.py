"""What an MCP client asks of a server: read from a request's headers or from its body, and nothing decided yet."""
