"""The schema that a tool's arguments must fit: JSON Schema 2020-12, compiled once, asked in microseconds.

It is stricter than the specification where that would let something pass unseen: keywords that nobody knows are errors
(``mcp.vocabulary``), ``format`` is asserted, and members that a schema says nothing of are refused unless it allows them
(``additionalProperties`` or ``unevaluatedProperties`` at its top).  Nothing is fetched, and no pattern can backtrack.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.mcp import extra, vocabulary
from bearerd.mcp.extent import more_than
from bearerd.mcp.vocabulary import BadSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES: Final = 64 * 1024  # of a schema, as JSON
_PATTERN_BYTES: Final = 1024 * 1024  # of one compiled pattern, and of what it may cache
_TOLD: Final = 500  # checks: of larger schemas, and recursive ones, it is not told where something does not fit
MOST_WORK: Final = 500_000  # values of a call times the checks that one may have to meet, a microsecond each
_LONGEST: Final = 200  # characters of a place that are told: the names in it are the client's
_OPEN: Final = frozenset({"additionalProperties", "unevaluatedProperties"})

_UNFIT: Final = "the arguments do not fit the schema"
_LARGE: Final = "the arguments could not be held against the schema (too many values for as many checks)"


class Schema:
    """One schema.  Safe to share: nothing in it changes."""

    __slots__ = ("_checked", "_most_values", "_telling")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Raises BadSchema, and ``extra.Missing`` where bearerd[mcp] is not installed."""
        extent = vocabulary.check(document)
        strict = dict(document) if _OPEN & document.keys() else {**document, "unevaluatedProperties": False}
        self._checked = _compiled(strict)
        self._most_values = MOST_WORK // extent.breadth
        self._telling = not extent.recursive and extent.checks <= _TOLD

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """Why they do not fit, for logs: a place and a keyword, never a value.  None: they do."""
        try:
            instance = arguments if isinstance(arguments, dict) else dict(arguments)
            if more_than(self._most_values, instance):
                return _LARGE
            if self._checked.is_valid(instance):
                return None
            # To say where, the library keeps all that each alternative lacks: for schemas that lead back to themselves
            # that doubles with each level of the arguments [measured: 13 s at 14 levels].
            return self._told(instance) if self._telling else _UNFIT
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the library is no Exception; whatever it is, it does not fit
            return f"the arguments could not be held against the schema ({type(error).__name__})"

    def _told(self, instance: dict[str, Any]) -> str:
        try:
            self._checked.validate(instance)
        except ValueError as error:  # the library's, whose words quote the value
            first: Any = error
        else:
            return _UNFIT
        place = vocabulary.pointer(tuple(first.instance_path))
        shown = place if len(place) <= _LONGEST else place[:_LONGEST] + "..."
        return f"{shown!r} does not fit: {first.kind.name}"


def parsed(text: bytes) -> dict[str, Any]:
    """A schema as its file holds it.  Raises BadSchema."""
    if len(text) > MOST_BYTES:
        raise BadSchema((), f"longer than {MOST_BYTES} bytes", "a tool's arguments take less: is this the right file?")
    try:
        found = orjson.loads(text)
    except ValueError:
        raise BadSchema((), "not JSON", "save one schema, in UTF-8") from None
    if not isinstance(found, dict):
        raise BadSchema((), "not an object", "save one schema, in UTF-8")
    return found


@functools.lru_cache(maxsize=1024)
def _of(text: bytes) -> Schema:
    return Schema(parsed(text))


def of(document: Mapping[str, Any]) -> Schema:
    """The compiled schema, from memory where it was compiled before.  Raises as ``Schema`` does."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, ValueError):
        raise BadSchema((), "holds what JSON does not have", "write dates as strings") from None
    return _of(text)


def _compiled(document: dict[str, Any]) -> Any:
    library = extra.need("jsonschema_rs")

    def refuse(uri: str) -> Any:
        raise ValueError("nothing is fetched")

    try:
        return library.Draft202012Validator(
            document,
            validate_formats=True,
            ignore_unknown_formats=False,
            retriever=refuse,
            pattern_options=library.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES),
        )
    except (library.ValidationError, library.ReferencingError, ValueError) as error:
        place = tuple(getattr(error, "instance_path", ()))
        raise BadSchema(place, _wrong(error), "see https://json-schema.org/draft/2020-12") from None


def _wrong(error: Exception) -> str:
    """The library's words without the value, its own paths and line ends; patterns that need backtracking by name."""
    words = str(getattr(error, "message", error)).splitlines()[0][:_LONGEST]
    if words.endswith('is not a "regex"'):
        return words + " that is matched in linear time (no look-around, no back-references, and no large repetitions)"
    return words
