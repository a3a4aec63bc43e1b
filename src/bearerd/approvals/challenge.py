"""The refusal that waits for a human, in the form that an MCP client can act on.

A client of 2025-11-25 that declared ``elicitation.url`` is answered with the error for it (-32042), one of 2026-07-28 with
an ``input_required`` result; both open the page and try again.  All others are answered with 403, and the approval
in the problem document (``faces.answer``) or the data of the JSON-RPC error (``faces.jsonrpc``).

Nothing of this is believed when the call comes again: what the client says of the elicitation ("accept") is its own word,
and the approval is found by the call alone.  So there is no ``requestState`` either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.mcp.goingon import QUESTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.mcp.operation import Operation
    from bearerd.refusals import Approval

URL_ELICITATION_REQUIRED: Final = (
    -32042
)  # of 2025-11-25 alone: before it there was no such thing, and after it it is retired
BY_ERROR: Final = "2025-11-25"
BY_RESULT: Final = "2026-07-28"  # and what follows
MESSAGE: Final = "A human must approve this call first. Open the page, sign in, decide, and try again."

_VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def challenge(
    approval: Approval | None, operation: Operation, capabilities: Mapping[str, Any] | None = None
) -> bytes | None:
    """The JSON-RPC message that answers the refused request, with status 200; None: answer with the 403.

    ``capabilities``: what the client declared when its session was initialised, where the face knows that (2025-11-25);
    since 2026-07-28 the request says it itself.  Only a face that sends results may ask: a gateway's question about a request
    has none.
    """
    if approval is None or approval.state != "pending" or approval.url is None or operation.id is None:
        return None
    declared, version = operation.capabilities if capabilities is None else capabilities, operation.version
    if version is None or not _VERSION.fullmatch(version) or not opens_urls(declared):
        return None
    params = {"mode": "url", "message": MESSAGE, "url": approval.url}
    if version == BY_ERROR:
        data = {"elicitations": [params | {"elicitationId": approval.id}]}
        error = {"code": URL_ELICITATION_REQUIRED, "message": MESSAGE, "data": data}
        return orjson.dumps({"jsonrpc": "2.0", "id": operation.id, "error": error})
    if version >= BY_RESULT and operation.item is not None:
        asked = {QUESTION: {"method": "elicitation/create", "params": params}}
        result = {"resultType": "input_required", "inputRequests": asked}
        return orjson.dumps({"jsonrpc": "2.0", "id": operation.id, "result": result})
    return None


def opens_urls(capabilities: Mapping[str, Any] | None) -> bool:
    """Whether a client declared ``elicitation.url``; an empty ``elicitation`` means forms alone."""
    elicitation = None if capabilities is None else capabilities.get("elicitation")
    return isinstance(elicitation, dict) and isinstance(elicitation.get("url"), dict)
