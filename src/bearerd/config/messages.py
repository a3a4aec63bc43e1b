"""What pydantic found, in plain words: a key, what is wrong with it, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bearerd.config.guard import Approvers
from bearerd.config.model import Rate, Sensitive, TcpListener, Tls, UnixListener
from bearerd.config.problems import meant
from bearerd.config.units import is_duration, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_NAME: Final = "a name is 1 to 63 of a-z, 0-9, _ and -, and begins with a letter or digit"
_UNIONS: Final = {  # places of more than one type (field, whether inside it): what may stand there, and the remedy
    ("listen", True): ("an address or a socket", 'write "127.0.0.1:9180", or { path = "/run/bearerd.sock" }'),
    ("audience", False): ("a string or a list of strings", "write it as in the token's aud"),
    **{
        (name, False): ("a string or a list of strings", "write a name, or a glob")
        for name in ("tool", "resource", "prompt", "mcp")
    },
    ("scope_implies", True): ("a scope or a list of scopes", 'write { admin = ["write"], write = ["read"] }'),
    ("confirm", False): ('true, false or "other"', "write it so"),
    ("rate", False): ("a limit or a table", 'write "30/m", or { limit = "30/m", burst = 10 }'),
    ("audit", False): (
        '"all", "refusals", "none" or a share',
        'write "all", or the share of allows that are audited, like 0.01',
    ),
    ("claims", True): ("a string, a number or a boolean", "name one value: a list in the token is searched for it"),
}
_TYPES: Final = {
    "string_type": "a string",
    "path_type": "a path, as a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_REMEDIES: Final = {
    "string_type": "write it in quotes",
    "path_type": "write it in quotes",
    "tuple_type": "write it in brackets: [ … ]",
    "dict_type": "write { key = value }, or a table of its own",
}
_INNER: Final[Mapping[str, type[BaseModel]]] = {
    "tls": Tls,
    "grpc": UnixListener,
    "sensitive": Sensitive,
    "rate": Rate,
    "approvers": Approvers,
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
}


class Fault(NamedTuple):
    """One fault of one table."""

    path: tuple[str | int, ...]  # within the table
    wrong: str
    remedy: str
    missing: bool = False  # the key is required and absent


def explain(error: ValidationError, data: Mapping[str, Any], model: type[BaseModel]) -> list[Fault]:
    """Every fault of a table, each place once.

    A value that may have more than one type fails once for each of them; such places are told once, and a place inside
    another one (the second item of a list) speaks for it.
    """
    found: dict[tuple[str | int, ...], Fault] = {}
    for details in error.errors(include_url=False, include_context=True):
        path = _place(details, data)
        if path not in found:
            found[path] = _fault(details, path, model)
    return [fault for path, fault in found.items() if not any(_inside(other, path) for other in found)]


def _inside(other: tuple[str | int, ...], path: tuple[str | int, ...]) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _place(details: ErrorDetails, data: Any) -> tuple[str | int, ...]:
    """Where in the file: pydantic's location without the names of the union members that it tried."""
    path: list[str | int] = []
    node: Any = data
    for part in details["loc"]:
        if _holds(node, part):
            node = node[part]
            path.append(part)
    if details["type"] == "missing":
        path.append(details["loc"][-1])
    return tuple(path)


def _holds(node: Any, part: str | int) -> bool:
    if isinstance(node, dict):
        return part in node
    return isinstance(node, list | tuple) and isinstance(part, int) and part < len(node)


def _fault(details: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> Fault:
    kind, context = details["type"], details.get("ctx", {})
    field = next((part for part in path if isinstance(part, str)), "")
    if kind == "extra_forbidden":
        return Fault(path, "unknown key", meant(str(path[-1]), _keys(details, path, model), all_of="the keys are"))
    if kind == "missing":
        return Fault(path, "required, and missing", "add it", missing=True)
    if kind == "literal_error":
        return _not_one_of(details, path, str(context["expected"]))
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound = context[name]
        shown = spelled(bound) if is_duration(field, bound) else f"{bound:g}"
        return Fault(path, f"must be {words} {shown}", _default(field, model))
    if kind == "too_short":
        return Fault(path, "must not be empty", "name at least one")
    if kind == "string_pattern_mismatch":
        return Fault(path, "not a name", _NAME)
    if kind == "value_error":
        return Fault(path, _said(details, str(context["error"])), _default(field, model))
    given = details["input"]
    expected, remedy = _UNIONS.get((field, len(path) > 1)) or (
        _TYPES.get(kind, "something else"),
        _REMEDIES.get(kind) or _unquoted(given),
    )
    return Fault(path, f"must be {expected}, not {_kind_of(given)}", remedy)


def _unquoted(given: Any) -> str:
    return "write it without quotes" if isinstance(given, str) else "remove it for the default"


def _keys(details: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """The known keys of the table in which an unknown one was found."""
    if len(path) > 1 and path[0] == "listen":
        return [*(TcpListener if "tcp" in details["loc"] else UnixListener).model_fields]
    inner = _INNER.get(str(path[0]))
    if len(path) > 1 and inner is not None:
        return [*inner.model_fields]
    return [field.alias or name for name, field in model.model_fields.items()]


def _not_one_of(details: ErrorDetails, path: tuple[str | int, ...], expected: str) -> Fault:
    words = [word.strip("' ").replace("True", "true") for word in expected.replace(" or ", ", ").split(",")]
    given = details["input"]
    shown = ", ".join("true" if word == "true" else f'"{word}"' for word in words)
    if given == "true" in words:
        return Fault(path, "must be true, not a string", "write it without quotes")
    if not isinstance(given, str):
        wrong = "false" if given is False else _kind_of(given)
        return Fault(path, f"must be one of {shown}, not {wrong}", "choose one of them")
    return Fault(path, f'"{given[:40]}" is not one of {shown}', meant(given, words, all_of="choose from"))


def _said(details: ErrorDetails, text: str) -> str:
    """Our own validators' words, with a short number or string that shows what was read (never a long one)."""
    given = details["input"]
    shown = repr(given) if isinstance(given, str | int | float) and len(str(given)) <= 20 else _kind_of(given)
    return f"{shown}: {text}"


def _default(field: str, model: type[BaseModel]) -> str:
    info = model.model_fields.get(field)
    if info is None or info.is_required() or info.get_default() is None:
        return "remove it for the default"
    default = info.get_default()
    return f"the default is {spelled(default) if is_duration(field, default) else default}"


def _kind_of(value: Any) -> str:
    """A value's TOML type, as a reader of the file would call it; the value itself may be a secret."""
    if isinstance(value, bool):
        return "a boolean"
    for kind, words in ((str, "a string"), (int, "a number"), (float, "a number with a fraction"), (dict, "a table")):
        if isinstance(value, kind):
            return words
    return "a list" if isinstance(value, list | tuple) else "a date or time"
