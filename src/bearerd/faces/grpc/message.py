"""What Envoy shows of a message to an MCP server: the body in a CheckRequest (``with_request_body``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bearerd.faces import operations
from bearerd.faces.grpc.question import FACE
from bearerd.refusals import Refusal

if TYPE_CHECKING:
    from bearerd.faces.grpc.question import Question
    from bearerd.limits import Limits
    from bearerd.policy.resource import Policy


def read(question: Question, asked: Any, policy: Policy, limits: Limits) -> Question:
    """The question with what is asked of the server."""
    resource = policy.resources.get(question.name)
    if resource is None or isinstance(question.request, Refusal):
        return question
    shown = _body(asked.attributes.request.http)
    return replace(question, request=operations.read(resource, FACE, question.request, shown, limits))


def _body(http: Any) -> bytes | None:
    """The body, whole; None where it is not, is told in two ways, or is none.

    ``pack_as_bytes`` says which of the two fields Envoy fills.
    """
    raw, text = http.raw_body, http.body.encode()
    shown: bytes = raw or text
    return None if not shown or (raw and text and raw != text) else shown
