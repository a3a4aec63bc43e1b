"""``/v1/apikeys``: the admin listener's part for API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bearerd.apikeys import form
from bearerd.apikeys.vault import MOST_AT_ONCE
from bearerd.serve import bodies, key_bodies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KeyAdmin:
    """Its handlers.  ``outcome(errand, **fields)`` asks a worker; ``read(request)`` is a body, as JSON."""

    def __init__(
        self,
        outcome: Callable[..., Awaitable[web.Response]],
        read: Callable[[web.Request], Awaitable[Any]],
    ) -> None:
        self._outcome = outcome
        self._read = read

    def routes(self) -> tuple[tuple[str, str, Handler], ...]:
        """Method, path, handler."""
        return (
            ("GET", "/v1/apikeys", self._list),
            ("POST", "/v1/apikeys", self._create),
            ("GET", "/v1/apikeys/{id}", self._show),
            ("POST", "/v1/apikeys/{id}/rotate", self._rotate),
            ("POST", "/v1/apikeys/{id}/revoke", self._revoke),
        )

    async def _list(self, request: web.Request) -> web.Response:
        """Those that have not expired, paged by id."""
        after = request.query.get("after", "")
        if after and not form.is_id(after):
            raise bodies.BadBody("after: an id")
        most = bodies.number(request.query, "limit", 1, MOST_AT_ONCE, MOST_AT_ONCE)
        return await self._outcome("apikey_list", after=after, most=most)

    async def _create(self, request: web.Request) -> web.Response:
        """The answer is the only one that ever holds the key."""
        return await self._outcome("apikey_create", **key_bodies.create(await self._read(request)))

    async def _show(self, request: web.Request) -> web.Response:
        return await self._outcome("apikey_show", id=_id(request))

    async def _rotate(self, request: web.Request) -> web.Response:
        body = key_bodies.rotate(await self._read(request))
        return await self._outcome("apikey_rotate", id=_id(request), **body)

    async def _revoke(self, request: web.Request) -> web.Response:
        body = key_bodies.revoke(await self._read(request))
        return await self._outcome("apikey_revoke", id=_id(request), **body)


def _id(request: web.Request) -> str:
    key_id = request.match_info["id"]
    if not form.is_id(key_id):
        raise bodies.BadBody(f"an id has {form.ID_SIZE} letters and digits; it is no key")
    return key_id
