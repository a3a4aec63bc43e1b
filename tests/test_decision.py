"""A decision is written out by hand what a dataclass would write: the two must not part ways."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, FrozenInstanceError, fields, replace

import pytest

from bearerd.decision import Decision
from bearerd.refusals import Code, Outcome

ALLOWED = Decision(True, Outcome.ALLOW, None, 200, "api")


def test_a_decision_is_made_of_its_fields_in_their_order_and_with_their_defaults() -> None:
    made = [
        (name, MISSING if given.default is inspect.Parameter.empty else given.default)
        for name, given in inspect.signature(Decision).parameters.items()
    ]
    assert made == [(field.name, field.default) for field in fields(Decision)]


def test_every_field_is_kept_under_its_own_name() -> None:
    given = {field.name: object() for field in fields(Decision)}
    assert vars(Decision(**given)) == given  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [field.name for field in fields(Decision)])
def test_a_decision_cannot_be_changed(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(ALLOWED, name, getattr(ALLOWED, name))
    with pytest.raises(FrozenInstanceError):
        delattr(ALLOWED, name)


def test_decisions_are_equal_if_all_is_but_what_only_logs_say() -> None:
    assert replace(ALLOWED, detail="why", hints=("a hint",)) == ALLOWED
    assert replace(ALLOWED, code=Code.FORBIDDEN) != ALLOWED
    assert hash(replace(ALLOWED, detail="why")) == hash(ALLOWED)
