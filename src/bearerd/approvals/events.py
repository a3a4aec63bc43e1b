"""What becomes of approvals, counted and logged: who asked, who decided, what for.  Arguments by their digest only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from bearerd import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.approvals.record import Approval
    from bearerd.metrics import Metrics

_LOGGER: Final = logging.getLogger("bearerd.approval")


class Events:
    """Of one process."""

    def __init__(self, metrics: Metrics, subject: Callable[[str], str]) -> None:
        """``subject``: how a subject is written in logs."""
        self.metrics = metrics
        self.subject = subject

    def tell(self, act: str, approval: Approval, **more: Any) -> None:
        """One act (``series.APPROVAL_EVENTS``).  Never raises: what was done is done."""
        call = approval.call
        self.metrics.inc("bearerd_approvals_total", call.resource, act)
        fields: dict[str, Any] = {
            "act": act,
            "approval": approval.id,
            "resource": call.resource,
            "method": call.method,
            "name": call.name,
            "arguments": call.digest,
            "iss": call.issuer,
            "sub": None if call.subject is None else self.subject(call.subject),
            "client": call.client,
            "confirm": call.confirm,
        }
        verdict = approval.verdict
        if verdict is not None:
            by = verdict.by
            fields["by"] = by.name if by.subject is None else self.subject(by.subject)
            fields["by_iss"] = by.issuer
        told = {name: value for name, value in (fields | more).items() if value is not None}
        log.event(_LOGGER, logging.INFO, "approval", told)

    def limited(self, resource: str) -> None:
        """One that could not be opened: too many are."""
        self.metrics.inc("bearerd_approvals_total", resource, "limited")
