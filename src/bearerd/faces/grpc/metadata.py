"""What Envoy's later filters and access logs are told of a decision: dynamic metadata, in the ext_authz filter's namespace.

Of an allow, who it was and the verified claims; of a refusal, its code and its request id.  Clients see none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.struct_pb2 import Struct

if TYPE_CHECKING:
    from bearerd.decision import Decision
    from bearerd.verify.verified import Verified

MOST_BYTES: Final = 16 * 1024  # of claims as JSON; more are left out, and it is said
MOST_LEVELS: Final = 24  # likewise: each is three of a message's, and readers take a hundred of these
_EXACT: Final = 2**53  # a Struct's numbers are doubles


def of_allow(decision: Decision, verified: Verified | None) -> Any:
    """``verified`` speaks only where the decision rests on it: an open rule, or a shadow, identifies nobody."""
    told: dict[str, Any] = {"resource": decision.resource}
    if decision.rule is not None:
        told["rule"] = decision.rule
    if verified is not None and decision.claims is not None:
        told |= _identity(verified)
    return _struct(told)


def of_refusal(decision: Decision, request_id: str) -> Any:
    """Why, for the operator's access log; the steps are under the request id (``bearerd explain --request``)."""
    told = {"outcome": str(decision.outcome), "code": str(decision.code or ""), "request_id": request_id}
    return _struct({"resource": decision.resource, **told})


def _identity(verified: Verified) -> dict[str, Any]:
    said = {
        "subject": verified.subject,
        "issuer": verified.issuer,
        "client": verified.client,
        "scopes": list(verified.scopes),
        "roles": list(verified.roles),
    }
    if len(verified.claims.text) > MOST_BYTES:
        return {**said, "claims_omitted": True}
    try:
        return {**said, "claims": _exact(verified.claims.read(), MOST_LEVELS)}
    except _TooDeep:
        return {**said, "claims_omitted": True}


class _TooDeep(Exception):
    """Claims within claims within claims."""


def _exact(value: Any, levels: int) -> Any:
    """JSON, with integers that a double does not hold as text.  Raises _TooDeep."""
    if isinstance(value, dict | list) and not levels:
        raise _TooDeep
    if isinstance(value, dict):
        return {name: _exact(part, levels - 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_exact(part, levels - 1) for part in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value


def _struct(told: dict[str, Any]) -> Any:
    made = Struct()
    made.update(told)
    return made
