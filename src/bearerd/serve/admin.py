"""The admin listener: ``/v1/…``, for operators of this machine.

Every request shows the token of ``data_dir/admin.token``.  Host must be a literal IP address or localhost, so that no web
page can reach it through a name that it makes resolve to us (DNS rebinding); bodies are JSON and say so, which no HTML form
can, and no answer carries a CORS header.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from bearerd import jsonobject, log
from bearerd.faces.form import BODY_SECONDS
from bearerd.serve import bodies
from bearerd.serve.channel import ChannelClosed, NotDone
from bearerd.serve.desk import report
from bearerd.serve.http import json_answer, problems_as_json
from bearerd.serve.key_admin import KeyAdmin
from bearerd.serve.patience import PATIENCE, to_revoke
from bearerd.store.names import DEFAULT_FLEET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.serve.desk import Desk

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE: Final = 100  # revocations in one answer, unless told otherwise
MOST_PAGE: Final = 1000

_MOST_DEPTH: Final = 16
_MOST_MEMBERS: Final = 512
_REQUEST_ID: Final = re.compile(r"[0-9a-f]{32}")
_PORT: Final = re.compile(r"(.*?)(?::[0-9]{1,5})?", re.DOTALL)
_LOGGER: Final = logging.getLogger("bearerd.admin")


def app(desk: Desk, token: str) -> web.Application:
    """The application of ``server.admin``; ``token`` opens it."""
    made = web.Application(
        middlewares=[problems_as_json, _guard(token), _unanswered],
        client_max_size=desk.config.limits.max_body_bytes,
    )
    api = _Admin(desk)
    for method, path, handler in (
        ("GET", "/v1/health", api.health),
        ("GET", "/v1/keys", api.keys),
        ("GET", "/v1/decisions/{id}", api.decision),
        ("POST", "/v1/explain", api.explain),
        ("GET", "/v1/revocations", api.revocations),
        ("POST", "/v1/revocations", api.revoke),
        ("DELETE", "/v1/revocations", api.lift),
        ("POST", "/v1/revocations/reset", api.reset),
        ("GET", "/v1/approvals", api.approvals),
        ("GET", "/v1/approvals/{id}", api.approval),
        ("POST", "/v1/approvals/{id}/{act:approve|deny}", api.decide),
        ("POST", "/v1/reload", api.reload),
        ("POST", "/v1/restart", api.restart),
        *KeyAdmin(api.outcome, _json).routes(),
    ):
        made.router.add_route(method, path, handler)
    return made


def _guard(token: str) -> Any:
    """Host first, then the token, before anything else of a request is looked at."""
    expected = token.encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _host_is_literal(request.headers.getall("Host", [])):
            return json_answer({"error": "the Host must be an IP address or localhost"}, 403)
        if not hmac.compare_digest(_bearer(request), expected):
            return json_answer({"error": "show the admin token"}, 401, WWW_Authenticate='Bearer realm="bearerd admin"')
        return await handler(request)

    return guard


def _host_is_literal(hosts: list[str]) -> bool:
    if len(hosts) != 1:
        return False
    match = _PORT.fullmatch(hosts[0])
    name = match[1] if match else ""
    if name.lower() == "localhost":
        return True
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        address = ipaddress.ip_address(name[1:-1] if bracketed else name)
    except ValueError:
        return False
    return bracketed == (address.version == 6)


def _bearer(request: web.Request) -> bytes:
    """The one bearer token that is shown; empty where there is none, or several."""
    fields = request.headers.getall("Authorization", [])
    scheme, _, token = fields[0].partition(" ") if len(fields) == 1 else ("", "", "")
    return token.encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""


@web.middleware
async def _unanswered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a worker could not answer, and what a body must not say."""
    try:
        return await handler(request)
    except bodies.BadBody as error:
        return json_answer({"error": str(error)}, 400)
    except ChannelClosed:
        return json_answer({"error": "no worker is up"}, 503, Retry_After="1")
    except TimeoutError:
        return json_answer({"error": "no worker answered in time: the outcome is unknown"}, 503, Retry_After="1")
    except NotDone as error:
        return json_answer({"error": f"the worker failed: {error.fault}"}, 500)


class _Admin:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def health(self, request: web.Request) -> web.Response:
        """Everything about this bearerd and its workers."""
        return json_answer(report(self._desk))

    async def keys(self, request: web.Request) -> web.Response:
        """Each issuer's key set, as one worker has it."""
        return json_answer({"issuers": await self._desk.crew.ask_any("keys", PATIENCE)})

    async def decision(self, request: web.Request) -> web.Response:
        """One of the last refusals, from whichever worker made it."""
        request_id = request.match_info["id"]
        if not _REQUEST_ID.fullmatch(request_id):
            return json_answer({"error": "a request id has 32 hexadecimal digits"}, 400)
        for found in await self._desk.crew.ask_all("decision", PATIENCE, request_id=request_id):
            if found is not None:
                return json_answer(found)
        return json_answer({"error": "not among the last refusals of the workers that are up"}, 404)

    async def explain(self, request: web.Request) -> web.Response:
        """A token judged step by step, by a running worker."""
        body = bodies.explain(await _json(request))
        return json_answer(await self._desk.crew.ask_any("explain", PATIENCE, **body))

    async def revocations(self, request: web.Request) -> web.Response:
        """The store's revocations, paged by sequence."""
        after, most = (bodies.number(request.query, name, low, high, default) for name, low, high, default in _PAGING)
        return await self.outcome("list", after=after, most=most)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke."""
        return await self.outcome("revoke", **bodies.revoke(await _json(request)))

    async def lift(self, request: web.Request) -> web.Response:
        """Undo."""
        return await self.outcome("lift", **bodies.lift(await _json(request)))

    async def reset(self, request: web.Request) -> web.Response:
        """Undo everything; whoever asks must have typed which fleet it is about."""
        body = bodies.reset(await _json(request))
        fleet = self._desk.config.store.fleet or DEFAULT_FLEET
        if body.pop("fleet") != fleet:
            return json_answer({"error": f"this is fleet {fleet}: type its name to reset it"}, 400)
        return await self.outcome("reset", **body)

    async def approvals(self, request: web.Request) -> web.Response:
        """Those that wait."""
        return await self.outcome("approvals")

    async def approval(self, request: web.Request) -> web.Response:
        """One, whole."""
        return await self.outcome("approval", id=request.match_info["id"])

    async def decide(self, request: web.Request) -> web.Response:
        """Yes or no, by the operator's command line: never for a rule that asks for another person."""
        fields = {"id": request.match_info["id"], "approved": request.match_info["act"] == "approve"}
        return await self.outcome("decide", **fields, **bodies.decide(await _json(request)))

    async def reload(self, request: web.Request) -> web.Response:
        """Read the configuration again, as SIGHUP does."""
        log.event(_LOGGER, logging.INFO, "reload asked for", {})
        problem = await self._desk.reload()
        told = {"reloaded": problem is None, "problem": problem, "restart_needed_for": self._desk.restart_for}
        return json_answer(told, 200 if problem is None else 409)

    async def restart(self, request: web.Request) -> web.Response:
        """Replace every worker, one after the other, as SIGUSR2 does; answered when it is done."""
        log.event(_LOGGER, logging.INFO, "restart asked for", {})
        done = await self._desk.roll()
        return json_answer({"restarted": done}, 200 if done else 409)

    async def outcome(self, what: str, **fields: Any) -> web.Response:
        """What a worker says to an errand."""
        found = await self._desk.crew.ask_any(what, to_revoke(self._desk.config.store.enforce_timeout), **fields)
        return json_answer(found["body"], found["status"])


_PAGING: Final = (("after", 0, 2**63 - 1, 0), ("limit", 1, MOST_PAGE, PAGE))


async def _json(request: web.Request) -> dict[str, Any]:
    """The body, which must call itself JSON.  Raises BadBody, or the HTTP error."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    try:
        return jsonobject.read(body, _MOST_DEPTH, _MOST_MEMBERS)
    except jsonobject.Malformed as error:
        raise bodies.BadBody(f"the body: {error}") from None
