"""A Starlette application; FastAPI's is wrapped in the same way.  Run:  python orders_starlette.py"""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import bearerd
from bearerd.adapters.asgi import BearerdMiddleware


def order(request: Request) -> JSONResponse:
    return JSONResponse({"order": request.path_params["name"], "for": request.scope["bearerd"].claims["sub"]})


verifier = bearerd.Verifier.from_config("bearerd.toml")
app = BearerdMiddleware(Starlette(routes=[Route("/orders/{name}", order)]), verifier, resource="orders")
uvicorn.run(app, port=9003, log_level="warning")
