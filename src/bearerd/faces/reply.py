"""From a decision to the answer that a gateway gets, for lane, aiohttp and gRPC alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bearerd.faces import answer, jsonrpc, wanted

if TYPE_CHECKING:
    from bearerd.current import Current
    from bearerd.faces.answer import Answer
    from bearerd.flow import Decided
    from bearerd.refusals import Refusal
    from bearerd.request import Request


class Question(Protocol):
    """As much of one as an answer depends on."""

    @property
    def dialect(self) -> str:
        """In which it was asked."""

    @property
    def request(self) -> Request | Refusal:
        """The original request, as far as it can be what it is said to be."""

    @property
    def unknown(self) -> Request:
        """What is known of it even so."""


def reply(decided: Decided, asked: Question, current: Current) -> Answer:
    """In the dialect that was asked in; a refusal in the form that the client reads."""
    decision = decided.decision
    if decision.allowed:
        return answer.answer(decision, decided.request_id, asked.dialect)
    resource = current.policy.resources.get(decision.resource)
    reveal = current.config.server.reveal_reason
    made = answer.answer(
        decision,
        decided.request_id,
        asked.dialect,
        reveal=reveal,
        form=wanted.form(asked.unknown.headers),
        login=wanted.login(None if resource is None else resource.login, asked.request, decision),
    )
    return jsonrpc.told(made, asked.request, decision, decided.request_id, reveal=reveal)
