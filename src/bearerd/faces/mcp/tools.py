"""Which of a server's tools a client is shown: those that it may call, and nobody has to review first.

What is hidden is no less denied: each call is decided by itself.  A model is only spared what it would be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd.mcp.operation import Operation
from bearerd.policy import decide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.mcp.listing import Tool
    from bearerd.policy.resource import Resource
    from bearerd.request import Request
    from bearerd.service import Service
    from bearerd.verify.verified import Verified


class Shown:
    """For one request."""

    def __init__(self, service: Service, resource: Resource, asked: Request, verified: Verified | None) -> None:
        self._service = service
        self._name = resource.name
        # Not its arguments: a stream of answers may last for hours.
        self._version = None if asked.operation is None else asked.operation.version
        self._asked = asked._replace(operation=None)
        self._verified = verified

    def of(self, tools: Iterable[Tool]) -> list[Tool]:
        """Those of a server's list.  One that is not what was reviewed is marked before anybody is shown anything."""
        listed = list(tools)
        self._service.reviews.see(self._name, listed)
        return [tool for tool in listed if self._may_call(tool.name)]

    def _may_call(self, tool: str) -> bool:
        resource = self._service.current.policy.resources.get(self._name)
        if resource is None or self._verified is None:  # an open rule: nobody is known, and nothing is shown
            return False
        call = Operation("tools/call", tool, "body", self._version)
        return decide.may_ask(resource, self._asked._replace(operation=call), self._verified)
