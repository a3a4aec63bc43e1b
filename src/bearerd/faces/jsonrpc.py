"""A refusal to an MCP client whose message was read: the same status and headers, and a JSON-RPC error for a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd.approvals.challenge import challenge
from bearerd.faces.operations import in_body
from bearerd.mcp import errors
from bearerd.refusals import Code

if TYPE_CHECKING:
    from bearerd.decision import Decision
    from bearerd.faces.answer import Answer
    from bearerd.mcp.operation import Misread
    from bearerd.refusals import Refusal
    from bearerd.request import Request

_OF_BODIES: Final = frozenset({"content-type", "content-security-policy", "vary"})


def told(made: Answer, request: Request | Refusal, decision: Decision, request_id: str, *, reveal: bool) -> Answer:
    """The answer as an MCP client reads it; unchanged where it stays plain HTTP."""
    spoken, message_id = in_body(request)
    code = decision.code or Code.INTERNAL_ERROR
    number = errors.number(code)
    if not spoken or number is None or made.status < 400:
        return made
    misread: Misread | None = getattr(request, "misread", None)
    requested = None
    if misread is not None and misread.refusal.code is code:
        number, requested = misread.error, misread.requested
    data: dict[str, Any] = {"request_id": request_id, **({"code": str(code)} if reveal else {})}
    if decision.approval is not None:  # as in the problem: the client's way on
        data["approval"] = decision.approval
    return _with(made, errors.body(number, message_id, data, requested))


def asked_back(made: Answer, request: Request, decision: Decision) -> Answer:
    """The refusal of a call that waits for a human, as a result that sends the client there; unchanged where it is not so.

    Only of a face that stands in the server's place: a gateway passes on no answer of ours but a refusal.
    """
    operation = request.operation
    if operation is None or operation.mode != "body" or decision.code is not Code.CONFIRMATION_REQUIRED:
        return made
    body = challenge(decision.approval, operation)
    return made if body is None else _with(made, body)._replace(status=200)


def _with(made: Answer, body: bytes) -> Answer:
    headers = tuple(field for field in made.headers if field[0].lower() not in _OF_BODIES)
    return made._replace(headers=(*headers, ("Content-Type", errors.CONTENT_TYPE)), body=body)
