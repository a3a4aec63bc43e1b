"""The operations of one MCP server, decided where the server itself has read them: by name and by arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from bearerd.adapters import answering
from bearerd.decision import Decision
from bearerd.faces import answer
from bearerd.mcp import errors, listing
from bearerd.mcp.goingon import goes_on, member
from bearerd.mcp.operation import NAMED, Operation
from bearerd.refusals import Code

if TYPE_CHECKING:
    from bearerd.api import Judged, Verifier

NAME: Final = {"tool": "name", "prompt": "name", "resource": "uri"}  # which parameter names an item
CALLS: Final = {item: method for method, item in NAMED.items()}
LISTS: Final = {"tools/list": "tool", "prompts/list": "prompt", "resources/list": "resource"}

Item = TypeVar("Item")


class Refused(NamedTuple):
    """What a client is told within JSON-RPC, where no status and no header can be set."""

    number: int  # of JSON-RPC
    message: str
    data: dict[str, Any]
    scopes: tuple[str, ...]  # all that are needed, where more of them would mend it


class Operations:
    """Decides them for one resource."""

    def __init__(self, verifier: Verifier, resource: str) -> None:
        verifier.table(resource)  # a name that nobody has is told at once
        self._verifier = verifier
        self._resource = resource

    async def refused(self, token: str | None, operation: Operation, scope: Mapping[str, Any] | None) -> Refused | None:
        """None: it may pass.

        ``scope``: of the HTTP request that brought the message.  What the ASGI middleware has decided is decided: nothing is
        spent twice.
        """
        decision = None if scope is None else scope.get(answering.DECISION)
        if isinstance(decision, Decision) and decision.allowed and decision.resource == self._resource:
            return None
        judged = await self._verifier.judge(self._verifier.asked(token, operation), self._resource)
        if judged.decided.decision.allowed:
            return None
        return told(judged, reveal=self._verifier.current.config.server.reveal_reason)

    def listed(self, definitions: Iterable[object]) -> None:
        """What the server is about to list, as its clients will read it, held against the review where there is one.

        Raises ValueError for what cannot be told by name: nobody could say whether it was reviewed.
        """
        if not self._verifier.reviewed(self._resource):
            return
        tools = listing.tools_of({"tools": list(definitions)})
        if tools is None:
            raise ValueError("a list of tools that cannot be read")
        self._verifier.listed(self._resource, tools)

    def visible(self, token: str | None, item: str, listed: Iterable[Item], name: Callable[[Item], str]) -> list[Item]:
        """Those of a list that the token may use, with whatever arguments."""
        return [one for one in listed if self._sees(token, Operation(CALLS[item], name(one), "body"))]

    def _sees(self, token: str | None, operation: Operation) -> bool:
        return self._verifier.could(token, self._resource, operation)


def read(method: str, parameters: object, version: str | None = None) -> Operation:
    """One request, from its parameters as JSON or as a model of them.

    An item without a name that is a string has none: no rule that names items allows it.
    """
    item = NAMED.get(method)
    if item is None:
        return Operation(method, None, "body", version)
    name, arguments = member(parameters, NAME[item]), member(parameters, "arguments")
    given = arguments if isinstance(arguments, Mapping) else {}
    named = None if name is None else str(name)
    return Operation(method, named, "body", version, given, goes_on=goes_on(parameters))


def version(scope: Mapping[str, Any] | None) -> str | None:
    """What the client says in ``MCP-Protocol-Version``: by it a method is one of the specification's, or is none."""
    said = [value for name, value in (scope or {}).get("headers", ()) if name.lower() == b"mcp-protocol-version"]
    return said[0].decode("latin-1") if len(said) == 1 else None


def told(judged: Judged, *, reveal: bool) -> Refused:
    """A refusal, for a client that reads JSON-RPC errors.  ``reveal``: it may know the code (``server.reveal_reason``)."""
    decision, request_id = judged.decided
    data: dict[str, Any] = {"status": decision.status, "request_id": request_id}
    said = HTTPStatus(decision.status).phrase
    if reveal:
        data["code"] = said = str(decision.code)
    scopes: tuple[str, ...] = ()
    if decision.challenge is not None:
        data["www_authenticate"] = answer.challenge(decision.challenge)
        if decision.status == 403:
            scopes = tuple((decision.challenge.scope or "").split())
            data["error"] = decision.challenge.error
    if decision.approval is not None:  # the client's way on
        data["approval"] = asdict(decision.approval)
    if decision.retry_after is not None:
        data["retry_after"] = decision.retry_after
    number = errors.number(decision.code or Code.INTERNAL_ERROR)
    return Refused(errors.FORBIDDEN if number is None else number, f"refused: {said}", data, scopes)
