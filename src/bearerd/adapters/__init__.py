"""``bearerd.Verifier`` within others' programs: what each of their frameworks calls, and the answers that its clients read.

Nothing is imported here: each module needs its framework (``pip install 'bearerd[mcp-sdk]'``, ``[fastmcp]``; the ASGI and
aiohttp middleware need nothing more).
"""
