"""Tables of the parsed file as models, one by one, so that a fault in one does not hide the faults of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from bearerd.config import messages
from bearerd.config.problems import dotted
from bearerd.config.units import FROM_FILE

if TYPE_CHECKING:
    from bearerd.config.problems import Problems

Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], data: Any, prefix: str, problems: Problems) -> Model | None:
    """One table as its model.

    Keys at fault are told, blamed, and then left out, so that the cross-checks still see all the rest.  None where a
    required key is absent or at fault: nothing can be checked then.
    """
    if not isinstance(data, dict):
        problems.add(prefix, "must be a table", f"write [{prefix}]" if "[" not in prefix else "write keys and values")
        problems.blame(prefix)
        return None
    try:
        return model.model_validate(data, context=FROM_FILE)
    except ValidationError as error:
        faults = messages.explain(error, data, model)
    for fault in faults:
        problems.add(dotted(prefix, fault.path), fault.wrong, fault.remedy)
        problems.blame(dotted(prefix, fault.path[:1]))
    rest = {key: value for key, value in data.items() if key not in {fault.path[0] for fault in faults}}
    try:
        return model.model_validate(rest, context=FROM_FILE)
    except ValidationError:
        problems.blame(prefix)
        return None


def list_of(tree: dict[str, Any], key: str, prefix: str, problems: Problems) -> list[Any]:
    """An array of tables; a single table in its place is the usual slip."""
    value = tree.get(key, [])
    if isinstance(value, list):
        return value
    problems.add(prefix, "must be an array of tables", f"write [[{prefix}]], with two brackets on each side")
    problems.blame(prefix)
    return []
