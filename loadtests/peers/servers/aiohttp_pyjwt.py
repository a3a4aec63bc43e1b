"""aiohttp under uvloop, verifying each token with PyJWT: what a team writes in an afternoon."""

from __future__ import annotations

import sys
from pathlib import Path

import jwt
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.serialization import load_pem_public_key

KEY = load_pem_public_key(Path(sys.argv[2]).read_bytes())
ISSUER, AUDIENCE = sys.argv[3], sys.argv[4]


async def answer(request: web.Request) -> web.Response:
    """204 for a good token, 401 for any other."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return web.Response(status=401)
    try:
        jwt.decode(token, KEY, algorithms=["RS256"], issuer=ISSUER, audience=AUDIENCE)  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        return web.Response(status=401)
    return web.Response(status=204)


app = web.Application()
app.router.add_route("*", "/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), loop=uvloop.new_event_loop(), access_log=None, print=None)
