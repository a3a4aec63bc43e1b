"""What is asked of an MCP server, read where the configuration says: from headers, or from the body that a gateway shows.

Which of the two never follows from the request: whoever could make the body not arrive would be judged by less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd import request as view
from bearerd.mcp import body, headers
from bearerd.mcp.operation import Misread

if TYPE_CHECKING:
    from bearerd.limits import Limits
    from bearerd.mcp.operation import Id, Operation
    from bearerd.policy.resource import Resource
    from bearerd.refusals import Refusal
    from bearerd.request import Request

JOINED: Final = (
    True  # gateways make one field, with a comma, of two that have one name: Envoy, and nginx's $http_mcp_name
)


def needs_body(resource: Resource, dialect: str) -> bool:
    """Whether a gateway of this dialect must show the body of a POST."""
    return resource.reads_operations and dialect in resource.body_at


def read(resource: Resource, dialect: str, request: Request, sent: bytes | None, limits: Limits) -> Request:
    """The request with what it asks of the server.  ``sent``: the body, None where none was shown.

    It is not looked for where it would decide nothing: without rules, and in a body before there is a credential, whose
    absence is the same refusal whatever is asked.
    """
    if not resource.reads_operations or not request.trusted or request.method is None:
        return request
    found: Operation | Misread | None
    if not needs_body(resource, dialect):
        found = headers.read(request.method, request.headers, joined=JOINED)
    elif isinstance(view.bearer_token(request.headers), bytes):
        found = body.read(request.method, request.headers, sent, limits, joined=JOINED)
    else:
        return request
    if isinstance(found, Misread):
        return request._replace(misread=found)
    return request._replace(operation=found)


def in_body(request: Request | Refusal) -> tuple[bool, Id]:
    """Whether it was decided by the body, and the id that the client gave it there."""
    found = getattr(request, "misread", None) or getattr(request, "operation", None)
    if found is None or found.mode != "body":
        return False, None
    return True, found.id
