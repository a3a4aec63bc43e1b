"""Allows that need no request: resource, rule and token say all, and answers differ by their tokens' own words alone.

A new token's allow is decided by ``policy.decide`` like any other, but nothing of the request is read again that the lane
has read: it has found the rule, and that nothing else has a say.  The answer is the route's, with the values of the
identity headers, and is given as if it had stood ready.  Not where allows are audited: a record tells more of a request, and
must not depend on what the cache still holds a moment later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd.decision import Decision
from bearerd.faces import answer, asked, wire
from bearerd.policy import decide
from bearerd.policy.rules import Selected
from bearerd.refusals import Outcome

if TYPE_CHECKING:
    from bearerd._native.connection import Connection
    from bearerd._native.route import Route, Routes
    from bearerd.audit.auditor import Auditor
    from bearerd.current import Current
    from bearerd.decision import Now
    from bearerd.policy.resource import Policy, Resource, Rule
    from bearerd.verify.verified import Verified

_VALUE: Final = "{a-value-comes-here}"  # nothing that is configured: no header's name has braces


class Frame(NamedTuple):
    """An allow of one route."""

    route: Route
    resource: Resource
    selections: tuple[Selected | None, ...]  # by the place of the rule; the last one of none.  None: it asks for more
    head: str  # up to Date, with a ``%s`` for each value of the identity headers, in their order


class Frames:
    """Of one configuration."""

    def __init__(self, policy: Policy, routes: Routes, audit: Auditor | None) -> None:
        self._all = [_frame(route, policy.resources[route.resource], audit) for route in routes.all]

    def may(self, number: int, place: int) -> bool:
        """Whether an allow may be framed, as far as route and rule go.

        ``number`` and ``place``: of the route, and of its enforced rule (-1: none), as ``Connection.shown`` tells them.
        """
        frame = self._all[number]
        return frame is not None and frame.selections[place] is not None

    def prepare(
        self, connection: Connection, number: int, place: int, verified: Verified, now: Now, current: Current
    ) -> bool:
        """Have the answer stand ready; False where it is no allow, or depends on more."""
        frame = self._all[number]
        selected = None if frame is None else frame.selections[place]
        if frame is None or selected is None:
            return False
        ends = decide.plainly(frame.resource, selected, verified, now, current)
        if ends is None:
            return False
        head = frame.head % frame.resource.identity.values(verified)
        connection.prepare(frame.route, place, *ends, head.encode())
        return True


def _frame(route: Route, resource: Resource, audit: Auditor | None) -> Frame | None:
    """None where an allow says more of its token (signed, or for how long a gateway may keep it), or leaves a record."""
    if resource.identity.signs or resource.cacheable_for or (audit is not None and audit.of(resource.name).allows):
        return None
    names = resource.identity.names
    holes = tuple((name, _VALUE) for name in names)
    decision = Decision(True, Outcome.ALLOW, None, 200, resource.name, headers_add=holes, headers_remove=names)
    head, _ = wire.message(answer.answer(decision, "", asked.dialect_of(resource.gateways, route.face)))
    selections = (*map(_plain, resource.enforced), Selected(None))
    return Frame(route, resource, selections, head.decode().replace("%", "%%").replace(_VALUE, "%s"))


def _plain(rule: Rule) -> Selected | None:
    return None if rule.particular or rule.settles else Selected(rule)
