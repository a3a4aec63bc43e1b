"""The MCP Python SDK (``mcp`` 2, and 1.30): its ``TokenVerifier``, and a middleware that decides each operation.

::

    guard = TokenVerifier(verifier, resource="notes")
    server = MCPServer("notes", token_verifier=guard, auth=guard.settings, middleware=[guard.operations])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings

from bearerd.adapters import answering, operations
from bearerd.refusals import Code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.api import Verifier
    from bearerd.verify.verified import Verified


class Unsure(RuntimeError):
    """Nothing can be said of the token now (503): the SDK would make 401 of None, and its client throw the token away."""


class TokenVerifier:
    """The SDK's protocol of this name: a token is one for this server, or it is none.

    ``settings`` is the server's side of it, from the same configuration.  With the SDK's own ``required_scopes`` a token
    that lacks the resource's is 403; whoever makes other settings gets 401 for it, for then nobody else would look.
    """

    def __init__(self, verifier: Verifier, *, resource: str) -> None:
        self._verifier = verifier
        self._resource = resource
        self._table = verifier.table(resource)  # a name that nobody has is told at once
        self._settings: AuthSettings | None = None

    @property
    def settings(self) -> AuthSettings:
        """What the SDK is to publish and to ask for.  It names one issuer: the first that the resource accepts."""
        if self._settings is None:
            given: dict[str, Any] = {
                "issuer_url": self._verifier.issuers(self._resource)[0],
                "resource_server_url": self._table.identifier,
                "required_scopes": list(self._table.scopes),
                "validate_token_resource": False,  # the audience was judged, aliases and all
            }
            self._settings = AuthSettings(**given)
        return self._settings

    @property
    def operations(self) -> Operations:
        """The middleware of the same resource (SDK 2)."""
        return Operations(self._verifier, resource=self._resource)

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the SDK asks.  Raises Unsure."""
        judged = await self._verifier.admit(token, self._resource)
        decision = judged.decided.decision
        if decision.allowed and judged.verified is not None:
            return access_token(token, judged.verified, self._table.scopes, self._table.identifier)
        if answering.unsure(decision):
            raise Unsure(f"{decision.code}, request {judged.decided.request_id}")
        if decision.code is Code.INSUFFICIENT_SCOPE and self._asks_for_scopes() and judged.verified is not None:
            return access_token(token, judged.verified, (), self._table.identifier)
        return None

    def _asks_for_scopes(self) -> bool:
        """Whether the SDK refuses what lacks one of the resource's scopes: by the settings that were made here."""
        return self._settings is not None and set(self._table.scopes) <= set(self._settings.required_scopes or ())


class Operations:
    """Middleware of an SDK 2 server: each operation is decided by its name and arguments, and lists show what may be used.

    A refusal is a JSON-RPC error, for no HTTP status can be set here; for a client that is to step up by itself, wrap the
    application in ``bearerd.adapters.asgi.BearerdMiddleware``.
    """

    def __init__(self, verifier: Verifier, *, resource: str) -> None:
        self._operations = operations.Operations(verifier, resource)

    async def __call__(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """One message.  A notification that is refused is dropped: it has no answer."""
        access = get_access_token()
        token = None if access is None else access.token
        scope = getattr(ctx.request, "scope", None)
        operation = operations.read(ctx.method, ctx.params, operations.version(scope))
        refused = await self._operations.refused(token, operation, scope)
        if refused is not None:
            return _refuse(ctx, refused)
        result = await call_next(ctx)
        item = operations.LISTS.get(ctx.method)
        return result if item is None else self._shown(result, token, item)

    def _shown(self, result: Any, token: str | None, item: str) -> Any:
        """A list without what the token may not use."""
        member, name = f"{item}s", operations.NAME[item]
        wire = result if isinstance(result, dict) else result.model_dump(by_alias=True, mode="json", exclude_none=True)
        if item == "tool":
            self._operations.listed(wire.get(member, []))
        if isinstance(result, dict):
            listed = result.get(member, [])
            return {**result, member: self._operations.visible(token, item, listed, lambda one: str(one[name]))}
        listed = getattr(result, member)
        shown = self._operations.visible(token, item, listed, lambda one: str(getattr(one, name)))
        return result.model_copy(update={member: shown})


def access_token(
    token: str, verified: Verified, fulfilled: tuple[str, ...] | list[str], identifier: str | None
) -> AccessToken:
    """What the SDK, and a tool by its ``get_access_token()``, may know.

    ``fulfilled``: scopes that the resource asks for and finds fulfilled, by whatever stands in the token for them.
    """
    known: dict[str, Any] = {
        "token": token,
        "client_id": verified.client or verified.subject or "",
        "scopes": list(dict.fromkeys((*verified.scopes, *fulfilled))),
        "expires_at": int(verified.expires_at),
        "resource": identifier,
        "subject": verified.subject,  # SDK 2 has it, and the claims; SDK 1 leaves both out
        "claims": dict(verified.claims.apart()),
    }
    return AccessToken(**known)


def _refuse(ctx: Any, refused: operations.Refused) -> None:
    if ctx.request_id is None:
        return
    from mcp.shared.exceptions import MCPError

    raise MCPError(refused.number, refused.message, refused.data)
