"""Overrides from the environment: ``BEARERD_<SECTION>__<KEY>`` for server, store, trust and limits.

Names without ``__`` are not ours: Kubernetes injects ``BEARERD_PORT=tcp://…`` for a service named bearerd.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_origin

import orjson
from pydantic import Strict

from bearerd.config.model import Server, Store, Trust
from bearerd.config.problems import Problems, dotted, nearest
from bearerd.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_PREFIX: Final = "BEARERD_"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"server": Server, "store": Store, "trust": Trust, "limits": Limits}


def apply(tree: dict[str, Any], environ: Mapping[str, str], problems: Problems) -> None:
    """Write the overrides into the parsed file; an unknown section or key is a problem that names the variable."""
    for variable in sorted(environ):
        if not variable.startswith(_PREFIX) or "__" not in variable:
            continue
        if not _is_text(variable) or not _is_text(environ[variable]):
            problems.add(ascii(variable).strip("'"), "not UTF-8", "set it again, in UTF-8")
            continue
        section, _, key = variable.removeprefix(_PREFIX).partition("__")
        if section != section.upper() or section.lower() not in SECTIONS:
            problems.add(variable, "no such section in the environment", _which_section(section, key))
            continue
        fields = SECTIONS[section.lower()].model_fields
        if key != key.upper():
            problems.add(variable, "the name must be in capital letters", f"write {variable.upper()}")
            continue
        table = tree.setdefault(section.lower(), {})
        if isinstance(table, dict):
            name = key.lower()
            path = dotted(section.lower(), [name])
            problems.variables[path] = variable
            try:
                table[name] = _value(environ[variable], fields.get(name))
            except ValueError as error:
                problems.add(path, *error.args)
                table.pop(name, None)


def _is_text(value: str) -> bool:
    """Whether it is Unicode: Python hands on other bytes as lone surrogates, which nothing later could encode."""
    return not re.search(r"[\ud800-\udfff]", value)


def _which_section(section: str, key: str) -> str:
    near = nearest(section, SECTIONS)
    if near and near != section.lower():
        return f"did you mean {_PREFIX}{near.upper()}__{key}?"
    return "only server, store, trust and limits can be set here; the other tables only in the file"


def _value(text: str, field: FieldInfo | None) -> Any:
    """The text as the field's TOML type.  Raises ValueError with what is wrong and the remedy.

    Not the value: whoever mixes up two variables may have put a secret there.
    """
    kind = None if field is None else field.annotation
    if get_origin(kind) is tuple:
        return _list(text)
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("must be true or false", "write it so, in small letters")
        return text == "true"
    if kind is int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ValueError("must be a whole number", "write digits, like 4")
        return int(text)
    if field is not None and kind is float and any(isinstance(mark, Strict) for mark in field.metadata):  # no duration
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
            raise ValueError("must be a number", "write it like 0.5")
        return float(text)
    return text


def _list(text: str) -> Any:
    if not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise ValueError(f"not a JSON list: {error}", "write a JSON list, or items with commas between them") from None
