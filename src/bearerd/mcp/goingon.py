"""Whether a call goes on with what a client answered a server meanwhile (2026-07-28: ``inputResponses``, ``requestState``).

A server acts on that as it does on arguments, and no digest of the arguments holds it: of two calls with one digest each may
do another thing.  The answer to our own question (``approvals.challenge``) says nothing, and does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

QUESTION: Final = "approval"  # the key of ours among those that a client answers

_STATE: Final = ("requestState", "request_state")  # as JSON has it, and as the model of an SDK
_ANSWERS: Final = ("inputResponses", "input_responses")
_EMPTY: Final[tuple[Any, ...]] = (None, {}, "")


def goes_on(parameters: object) -> bool:
    """Of a request's parameters, as JSON or as a model of them."""
    if any(member(parameters, name) not in _EMPTY for name in _STATE):
        return True
    return any(not _says_nothing(member(parameters, name)) for name in _ANSWERS)


def member(parameters: object, name: str) -> object:
    """One parameter; None where it is not there."""
    return parameters.get(name) if isinstance(parameters, Mapping) else getattr(parameters, name, None)


def _says_nothing(answers: object) -> bool:
    if answers in _EMPTY:
        return True
    if not isinstance(answers, Mapping) or answers.keys() != {QUESTION}:
        return False
    said = answers[QUESTION]
    if isinstance(said, Mapping):
        return said.keys() <= {"action", "content"} and said.get("content") in _EMPTY
    return hasattr(said, "action") and member(said, "content") in _EMPTY
