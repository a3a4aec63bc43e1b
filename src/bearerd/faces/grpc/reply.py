"""A decision as a CheckResponse.

Every refusal is a ``denied_response``, a 503 too: Envoy hands it to the client with its challenge, its Retry-After and its
request id, and refuses whatever ``failure_mode_allow`` says.  An ``error_response``, or an error of gRPC's, is a failure to
Envoy, which may let a request pass for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse, DeniedHttpResponse, OkHttpResponse
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.rpc.status_pb2 import Status

from bearerd.faces.grpc import metadata

if TYPE_CHECKING:
    from bearerd.decision import Decision
    from bearerd.faces.answer import Answer
    from bearerd.verify.verified import Verified

# google.rpc.Code, for readers of traces: Envoy asks only whether it is 0, and takes the status from the response.
_OK: Final = 0
_INVALID_ARGUMENT: Final = 3
_PERMISSION_DENIED: Final = 7
_UNAUTHENTICATED: Final = 16
_CODES: Final = {
    302: _UNAUTHENTICATED,  # to where a browser signs in
    401: _UNAUTHENTICATED,
    403: _PERMISSION_DENIED,
    429: 8,  # RESOURCE_EXHAUSTED
    503: 14,  # UNAVAILABLE
}
_NOT_FOR_CLIENTS: Final = frozenset({"server"})  # Envoy speaks for itself


def allowed(decision: Decision, verified: Verified | None) -> Any:
    """Pass it on: each identity header overwrites the client's, and what only looks like one is taken away."""
    ours = {name.lower() for name, _ in decision.headers_add}
    others = dict.fromkeys(name.lower() for name in decision.headers_remove if name.lower() not in ours)
    return CheckResponse(
        status=Status(code=_OK),
        ok_response=OkHttpResponse(
            headers=[_written(name, value) for name, value in decision.headers_add],
            headers_to_remove=list(others),  # after the headers are set: ours must not be among them
        ),
        dynamic_metadata=metadata.of_allow(decision, verified),
    )


def denied(answer: Answer, decision: Decision, request_id: str) -> Any:
    """Refuse it, with the answer that the other faces give."""
    headers = [_written(name, value) for name, value in answer.headers if name.lower() not in _NOT_FOR_CLIENTS]
    return CheckResponse(
        status=Status(code=_CODES.get(answer.status, _INVALID_ARGUMENT)),
        denied_response=DeniedHttpResponse(
            status=HttpStatus(code=answer.status), headers=headers, body=answer.body.decode()
        ),
        dynamic_metadata=metadata.of_refusal(decision, request_id),
    )


def _written(name: str, value: str) -> Any:
    """A header that replaces any other of its name.  Said outright: the first of the enum's values is to append."""
    header = HeaderValue(key=name.lower(), value=value)
    return HeaderValueOption(header=header, append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
