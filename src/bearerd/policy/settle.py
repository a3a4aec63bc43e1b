"""What remains to be done once a use of a token would be allowed: to take from a budget, to use an approval up.

Decisions are made from memory and remember nothing (``policy.decide``).  What does remember comes after them, only where
they allow, and in the order of ``Service.settlers``: a call that is refused anyway spends nothing, and an approval, which
can be used once, is the last to be asked for.  No answer to such a request may be given again (``Rule.settles``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.decision import Now
    from bearerd.policy.resource import Resource, Rule
    from bearerd.refusals import Approval
    from bearerd.request import Request
    from bearerd.verify.verified import Verified


class Settler(Protocol):
    """One of them."""

    async def settle(
        self, resource: Resource, rule: Rule, request: Request, verified: Verified, now: Now
    ) -> Refusal | Approval | None:
        """None, or the approval that it used up: it may pass, and what it costs is spent.

        Whatever is raised is a refusal, too (internal_error).
        """


_NOBODY_CONFIRMS: Final = Refusal(Code.CONFIRMATION_REQUIRED, "the call is to be confirmed, and nobody here can")


def unconfirmed(rule: Rule, settlers: Iterable[Settler]) -> Refusal | None:
    """The refusal of a call that a human must confirm, where no settler (``confirms = True``) asks one."""
    if not rule.confirm or any(getattr(settler, "confirms", False) for settler in settlers):
        return None
    return _NOBODY_CONFIRMS
