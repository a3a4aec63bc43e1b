"""A refusal in JSON-RPC: what MCP clients read beside the HTTP status.

Whatever OAuth clients look for stays plain HTTP: 401, and the 403 that other scopes would mend.  The words follow from the
number alone, as nothing of the request may be in them; why it was refused is told under the request id, to the operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.mcp import versions
from bearerd.refusals import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.mcp.operation import Id

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020  # of the specification, since 2026-07-28
UNSUPPORTED_VERSION: Final = -32022  # likewise
# Ours, of the range that the specification leaves to implementations: -32019 to -32000.
FORBIDDEN: Final = -32003
CONFIRMATION_REQUIRED: Final = -32004
RATE_LIMITED: Final = -32005
UNAVAILABLE: Final = -32006

CONTENT_TYPE: Final = "application/json"

_NUMBERS: Final[Mapping[Code, int]] = {
    Code.BAD_REQUEST: INVALID_REQUEST,
    Code.REQUEST_MISMATCH: HEADER_MISMATCH,
    Code.INVALID_ARGUMENTS: INVALID_PARAMS,
    Code.CONFIRMATION_REQUIRED: CONFIRMATION_REQUIRED,
    Code.RATE_LIMITED: RATE_LIMITED,
    Code.FORBIDDEN: FORBIDDEN,
    Code.AMBIGUOUS_PATH: FORBIDDEN,
    Code.UNTRUSTED_PEER: FORBIDDEN,
    Code.UNKNOWN_RESOURCE: FORBIDDEN,
    Code.UNREVIEWED_TOOL: FORBIDDEN,
    Code.OVERLOADED: UNAVAILABLE,
    Code.STALE_STATE: UNAVAILABLE,
    Code.ISSUER_UNAVAILABLE: UNAVAILABLE,
    Code.INTERNAL_ERROR: UNAVAILABLE,
}
_WORDS: Final = {
    PARSE_ERROR: "The body is not JSON that can be read in one way only",
    INVALID_REQUEST: "The body is not one JSON-RPC message",
    INVALID_PARAMS: "The arguments do not fit",
    HEADER_MISMATCH: "Header mismatch: headers and body do not name the same operation, or a header is missing",
    UNSUPPORTED_VERSION: "Unsupported protocol version",
    FORBIDDEN: "This is not allowed",
    CONFIRMATION_REQUIRED: "A human must confirm this call first",
    RATE_LIMITED: "The budget is spent, try again later",
    UNAVAILABLE: "This cannot be decided at present, try again later",
}


def number(code: Code) -> int | None:
    """The error of a refusal; None where it stays plain HTTP."""
    return _NUMBERS.get(code)


def body(error: int, request_id: Id, data: Mapping[str, Any] | None = None, requested: str | None = None) -> bytes:
    """An error response.  ``data``: what goes with it; ``requested``: the version that is not known."""
    more = dict(data or {})
    if error == UNSUPPORTED_VERSION:
        more |= {"supported": list(versions.KNOWN), "requested": requested or ""}
    told: dict[str, Any] = {"code": error, "message": _WORDS[error]}
    if more:
        told["data"] = more
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": told})
