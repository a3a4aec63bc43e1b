"""The arguments of an operation as they may stand in a record: secrets by their names are taken out, and nothing is silent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd import log

if TYPE_CHECKING:
    from collections.abc import Mapping

TAKEN_OUT: Final = "[redacted]"
_DEEPEST: Final = 32
_NAMES: Final = re.compile(
    r"pass(word|wd|phrase|code)?$|^pwd|secret|token|api.?key|access.?key|private.?key|credential|authorization"
    r"|cookie|session.?id|^otp$|^pin$|^cvv|^cvc|card.?number|^iban$|^ssn$",
    re.IGNORECASE,
)


def redacted(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without what is called a secret, at any depth, and without what looks like a credential anywhere."""
    return {log.redact(name): _value(name, value, 0) for name, value in arguments.items()}


def _value(name: str, value: Any, depth: int) -> Any:
    if _NAMES.search(name) and value is not None and not isinstance(value, bool):
        return TAKEN_OUT
    if depth >= _DEEPEST:
        return "[too deep]"
    if isinstance(value, dict):
        return {log.redact(str(key)): _value(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value("", item, depth + 1) for item in value]
    return log.clean(value)


def fields(arguments: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The members of a record: the arguments, or, where they take more than ``most`` bytes, that they do."""
    shown = redacted(arguments)
    size = len(orjson.dumps(shown))
    if size > most:
        return {"arguments_truncated": True, "arguments_bytes": size}
    return {"arguments": shown}
