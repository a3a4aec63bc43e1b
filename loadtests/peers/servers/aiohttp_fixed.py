"""aiohttp under uvloop, answering 204 to everything."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web


async def answer(_: web.Request) -> web.Response:
    """The same for everybody."""
    return web.Response(status=204)


app = web.Application()
app.router.add_route("*", "/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), loop=uvloop.new_event_loop(), access_log=None, print=None)
