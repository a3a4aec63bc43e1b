"""FastMCP: an auth provider, and a middleware that decides each operation with its arguments.

::

    mcp = FastMCP("notes", auth=BearerdAuth(verifier, resource="notes"), middleware=[BearerdMiddleware(verifier, resource="notes")])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastmcp import exceptions
from fastmcp.exceptions import AuthorizationError
from fastmcp.server import auth as theirs
from fastmcp.server.dependencies import get_access_token, get_http_request
from fastmcp.server.middleware import Middleware
from pydantic import AnyHttpUrl

from bearerd.adapters import answering, mcp_sdk, operations
from bearerd.refusals import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp.server.middleware import CallNext, MiddlewareContext

    from bearerd.api import Verifier

_Unsure: type[Exception] = getattr(theirs, "TokenVerificationError", mcp_sdk.Unsure)
"""What FastMCP calls it where it knows the difference between a bad token and one of which nothing can be said now."""


class TokenVerifier(theirs.TokenVerifier):
    """FastMCP's protocol of this name."""

    def __init__(self, verifier: Verifier, *, resource: str) -> None:
        self._verifier = verifier
        self._resource = resource
        self._table = verifier.table(resource)  # a name that nobody has is told at once
        super().__init__(required_scopes=list(self._table.scopes))

    async def verify_token(self, token: str) -> theirs.AccessToken | None:
        """What FastMCP asks."""
        judged = await self._verifier.admit(token, self._resource)
        decision = judged.decided.decision
        if answering.unsure(decision):
            raise _Unsure(f"{decision.code}, request {judged.decided.request_id}")
        lacks = decision.code is Code.INSUFFICIENT_SCOPE  # FastMCP asks for them itself, and says 403
        if judged.verified is None or not (decision.allowed or lacks):
            return None
        fulfilled = () if lacks else self._table.scopes
        known = mcp_sdk.access_token(token, judged.verified, fulfilled, self._table.identifier)
        return theirs.AccessToken(**known.model_dump())


class BearerdAuth(theirs.RemoteAuthProvider):
    """Verifies tokens, asks for the resource's scopes, and tells clients who issues tokens (RFC 9728)."""

    def __init__(self, verifier: Verifier, *, resource: str) -> None:
        identifier = verifier.table(resource).identifier
        parts = urlsplit(identifier or "")
        if not parts.netloc:
            raise ValueError(f"resource {resource}: FastMCP needs an identifier that is a URL")
        self._identifier = AnyHttpUrl(identifier or "")
        super().__init__(
            token_verifier=TokenVerifier(verifier, resource=resource),
            authorization_servers=[AnyHttpUrl(issuer) for issuer in verifier.issuers(resource)],
            base_url=f"{parts.scheme}://{parts.netloc}",
        )

    def _get_resource_url(self, path: str | None = None) -> AnyHttpUrl | None:
        """The identifier, wherever the server is mounted: what tokens are made out to."""
        return self._identifier


class BearerdMiddleware(Middleware):
    """Decides each operation by its name and arguments; lists show what the token may use.

    A refusal is an error within JSON-RPC, for no HTTP status can be set here; for a client that is to step up by itself,
    wrap ``mcp.http_app()`` in ``bearerd.adapters.asgi.BearerdMiddleware``.  Without a token, as over stdio, all is refused.
    """

    def __init__(self, verifier: Verifier, *, resource: str) -> None:
        self._operations = operations.Operations(verifier, resource)

    async def on_message(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Whatever comes in comes by here, and once."""
        scope = _scope()
        operation = operations.read(context.method or "", context.message, operations.version(scope))
        if operation.item == "tool" and await _by_another_name(context, operation.name or ""):
            raise AuthorizationError("refused: a tool is called by its name")
        refused = await self._operations.refused(_token(), operation, scope)
        if refused is not None:
            raise _error(refused)
        return await call_next(context)

    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        """Those that the token may call, with whatever arguments."""
        listed = await call_next(context)
        self._operations.listed(map(_definition, _one_of_each(listed)))
        return self._shown("tool", listed, _name)

    async def on_list_prompts(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        """Those that it may get."""
        return self._shown("prompt", await call_next(context), _name)

    async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        """Those that it may read."""
        return self._shown("resource", await call_next(context), _uri)

    def _shown(self, item: str, listed: Sequence[Any], name: Callable[[Any], str]) -> Sequence[Any]:
        return self._operations.visible(_token(), item, listed, name)


async def _by_another_name(context: MiddlewareContext[Any], name: str) -> bool:
    """Whether FastMCP would find a tool by a digest of its owner, beside its name: rules know tools by their names."""
    try:
        from fastmcp.server.providers.addressing import parse_hashed_backend_name
    except ImportError:
        return False
    if parse_hashed_backend_name(name) is None:
        return False
    server = context.fastmcp_context
    return server is None or await server.fastmcp.get_tool(name) is None


def _scope() -> Mapping[str, Any] | None:
    """Of the HTTP request that brought the message; None: none did."""
    try:
        return get_http_request().scope
    except RuntimeError:
        return None


def _token() -> str | None:
    access = get_access_token()
    return None if access is None else access.token


def _name(one: Any) -> str:
    return str(one.name)


def _uri(one: Any) -> str:
    return str(one.uri)


def _one_of_each(listed: Sequence[Any]) -> Sequence[Any]:
    """Of tools that it has in several versions FastMCP shows the last, and says so."""
    try:
        from fastmcp.utilities.versions import dedupe_with_versions
    except ImportError:
        return listed
    return dedupe_with_versions(listed, _name)


def _definition(tool: Any) -> Mapping[str, Any]:
    """A tool as clients of the newest version read it, ``bearerd mcp review`` among them."""
    said: Mapping[str, Any] = tool.to_mcp_tool(name=tool.name).model_dump(by_alias=True, mode="json", exclude_none=True)
    return said


def _error(refused: operations.Refused) -> Exception:
    """What reaches the client with its ``data``, and so with its way on; of FastMCP 3 only words do."""
    made = getattr(exceptions, "MCPError", None)
    if made is not None:
        said: Exception = made(refused.number, refused.message, refused.data)
        return said
    try:
        from fastmcp.exceptions import InsufficientScopeError
    except ImportError:
        return AuthorizationError(refused.message)
    if refused.scopes:
        return InsufficientScopeError(list(refused.scopes), message=f"{refused.message}: {' '.join(refused.scopes)}")
    return AuthorizationError(refused.message)
