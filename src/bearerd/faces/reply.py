"""From a decision to the answer that a gateway gets, for lane and aiohttp alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd.faces import answer, wanted

if TYPE_CHECKING:
    from bearerd.faces.answer import Answer
    from bearerd.faces.asked import Asked
    from bearerd.flow import Decided
    from bearerd.service import Current


def reply(decided: Decided, asked: Asked, current: Current) -> Answer:
    """In the dialect that was asked in; a refusal in the form that the client reads."""
    decision = decided.decision
    if decision.allowed:
        return answer.answer(decision, decided.request_id, asked.dialect)
    resource = current.policy.resources.get(decision.resource)
    return answer.answer(
        decision,
        decided.request_id,
        asked.dialect,
        reveal=current.config.server.reveal_reason,
        form=wanted.form(asked.unknown.headers),
        login=wanted.login(None if resource is None else resource.login, asked.request, decision),
    )
