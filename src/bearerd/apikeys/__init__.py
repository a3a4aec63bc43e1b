"""API keys: what they look like, what is kept of them, and how one is recognised (docs/api-keys.md)."""
