"""What a rule asks of the call itself, beside scopes, roles and claims: its arguments' schema, ``when``, and no secrets.

In this order: ``when`` may rely on the types that the schema gives, and what costs most is done last.  All of it follows
from the call, so no answer to it is given again (``Rule.particular``).  Whatever is not known does not fit: arguments in
header mode, the path of a request that nobody trusted told us of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bearerd.mcp.condition import moment
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.decision import Now
    from bearerd.mcp.operation import Operation
    from bearerd.policy.resource import Resource, Rule
    from bearerd.request import Request
    from bearerd.verify.verified import Verified


def unmet(resource: Resource, rule: Rule | None, request: Request, verified: Verified, now: Now) -> Refusal | None:
    """What the call lacks; None: nothing."""
    operation = request.operation
    if rule is not None and rule.schema is not None:
        arguments = None if operation is None else _arguments(operation)
        fault = "the arguments are not known" if arguments is None else rule.schema.fault(arguments)
        if fault is not None:
            return Refusal(Code.INVALID_ARGUMENTS, fault)
    if rule is not None and rule.when is not None:
        fault = rule.when.fault(_known(request, verified, now))
        if fault is not None:
            return Refusal(Code.FORBIDDEN, fault)
    watched = resource.watched(rule)
    if watched.blocks and operation is not None:
        found = watched.blocked(_arguments(operation))
        if found is not None:
            return Refusal(Code.INVALID_ARGUMENTS, f"the arguments hold what must not be passed on: {found}")
    return None


def _arguments(operation: Operation) -> Mapping[str, Any] | None:
    """What is called without arguments is called with none; a header alone does not say."""
    if operation.arguments is None and operation.mode == "body":
        return {}
    return operation.arguments


def _known(request: Request, verified: Verified, now: Now) -> dict[str, Any]:
    """The names that a condition may use; what is not known is left out, and whoever comes to depend on it is refused."""
    known: dict[str, Any] = {"claims": dict(verified.claims), "now": moment(now.latest)}
    if request.trusted and request.method is not None and request.path is not None:
        known["request"] = {"method": request.method, "path": request.path, "host": request.host or ""}
    operation = request.operation
    if operation is not None:
        item = operation.item
        known["method"] = operation.method
        for kind in ("tool", "prompt", "resource"):
            known[kind] = operation.name or "" if item == kind else ""
        arguments = _arguments(operation)
        if arguments is not None:
            known["args"] = arguments if isinstance(arguments, dict) else dict(arguments)
    return known
