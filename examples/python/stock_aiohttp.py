"""An aiohttp server.  Run:  python stock_aiohttp.py"""

from aiohttp import web

import bearerd
from bearerd.adapters.aiohttp import DECISION, setup


async def stock(request: web.Request) -> web.Response:
    return web.json_response({"item": request.match_info["name"], "for": request[DECISION].claims["sub"]})


app = web.Application()
app.router.add_get("/stock/{name}", stock)
setup(app, bearerd.Verifier.from_config("bearerd.toml"), resource="stock")
web.run_app(app, host="127.0.0.1", port=9004, print=None)
