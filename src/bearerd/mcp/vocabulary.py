"""JSON Schema 2020-12 as a language: which keywords there are, where schemas stand in a schema, and how far one unfolds.

A validator ignores a keyword that it does not know, as the specification demands, and so ``requird`` demands nothing.
Whoever guards something must not: here it is an error.  So is a schema that unfolds without measure: references may be
written in thirty lines that stand for a billion checks.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DEEPEST: Final = 32  # schemas within schemas
_OBJECT: Final = 16  # texts or numbers that are compared while one object is
_IN_PLACE: Final = frozenset(["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"])
MOST_CHECKS: Final = 10_000  # for one value, with every reference unfolded

_ONE: Final = frozenset(
    [
        "additionalProperties",
        "unevaluatedProperties",
        "items",
        "unevaluatedItems",
        "contains",
        "propertyNames",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    ]
)
_LISTS: Final = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])
_MAPS: Final = frozenset(["properties", "patternProperties", "dependentSchemas", "$defs"])
_PLAIN: Final = frozenset(
    [
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxContains",
        "minContains",
        "maxProperties",
        "minProperties",
        "required",
        "dependentRequired",
        "format",
        "contentEncoding",
        "contentMediaType",
        "title",
        "description",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "examples",
        "$schema",
        "$id",
        "$anchor",
        "$ref",
        "$comment",
    ]
)
KNOWN: Final = _ONE | _LISTS | _MAPS | _PLAIN

Pointer = tuple[str | int, ...]


class BadSchema(ValueError):
    """It cannot be used; ``place`` is where in it, as a JSON pointer."""

    def __init__(self, place: Pointer, wrong: str, remedy: str) -> None:
        super().__init__(wrong)
        self.place = pointer(place)
        self.remedy = remedy


def _own_list(schema: dict[str, Any]) -> int:
    """What its ``enum`` costs: texts and numbers are compared so much faster than objects."""
    return sum(_OBJECT if isinstance(one, dict | list) else 1 for one in schema.get("enum", ())) // _OBJECT


def _listed(schema: Any) -> int:
    if not isinstance(schema, dict):
        return 0
    return _own_list(schema) + sum(_listed(inner) for _, inner in subschemas(schema))


class Extent(NamedTuple):
    """How large a schema is once its references are unfolded."""

    checks: int  # schemas, all told
    breadth: int  # those that one value may have to meet, and what it may have to be compared with
    recursive: bool  # a reference leads back to where it stands


def pointer(place: Pointer) -> str:
    """RFC 6901, and ``/`` for the whole, so that there is something to see."""
    return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in place)


def check(schema: Any) -> Extent:
    """That every keyword is known and nothing is too deep or too large.  Raises BadSchema."""
    _walk(schema, ())
    return _Unfolding(schema).extent()


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[Pointer, Any]]:
    """The schemas that stand in a schema, each with its place there; definitions included."""
    for keyword, value in schema.items():
        if keyword in _ONE:
            yield (keyword,), value
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, number), inner) for number, inner in enumerate(value))
        elif keyword in _MAPS and isinstance(value, dict):
            yield from (((keyword, name), inner) for name, inner in value.items())


def _walk(schema: Any, place: Pointer) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise BadSchema(place, "not a schema", "a schema is a table, true or false")
    for keyword in schema:
        if keyword not in KNOWN and not keyword.startswith("x-"):
            near = difflib.get_close_matches(keyword, KNOWN, n=1, cutoff=0.7)
            remedy = f'did you mean "{near[0]}"?' if near else "remove it, or name it x-…: it would be ignored"
            raise BadSchema((*place, keyword), "no keyword of JSON Schema 2020-12 that is taken here", remedy)
    if schema.get("$schema", DIALECT) != DIALECT:
        raise BadSchema((*place, "$schema"), "another dialect", f'write "{DIALECT}", or leave it out')
    if place and "$id" in schema:
        raise BadSchema(
            (*place, "$id"), "a schema within the schema has a name of its own", 'refer to it as "#/$defs/…"'
        )
    reference = schema.get("$ref", "#")
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise BadSchema(
            (*place, "$ref"), "leads out of this schema", 'copy what it names into $defs, and write "#/$defs/…"'
        )
    for inner, value in subschemas(schema):
        if len(place) > 2 * DEEPEST:
            raise BadSchema(place, "schemas are nested too deeply", f"at most {DEEPEST}")
        _walk(value, (*place, *inner))


class _Unfolding:
    """Counts; each schema once, however many lead to it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, int] = {}
        self._open: set[int] = set()
        self._recursive = False

    def extent(self) -> Extent:
        checks = self._checks(self._root, ())
        if checks > MOST_CHECKS:
            wrong = f"its references unfold to {'more than 10^9' if checks > 10**9 else checks} schemas"
            raise BadSchema((), wrong, f"at most {MOST_CHECKS}: name alternatives once, and less within one another")
        return Extent(checks, self._breadth(self._root, _listed(self._root)), self._recursive)

    def _breadth(self, schema: Any, listed: int) -> int:
        """``listed``: by all enums.  Where several schemas stand for one place, all that is in them may be for one value.

        What a reference leads to is looked at where it stands.
        """
        if not isinstance(schema, dict):
            return 1
        own = self._checks(schema, ()) + listed if _IN_PLACE & schema.keys() else 1 + _own_list(schema)
        return max([own, *(self._breadth(inner, listed) for _, inner in subschemas(schema))])

    def _checks(self, schema: Any, place: Pointer) -> int:
        if not isinstance(schema, dict):
            return 1
        known = self._known.get(id(schema))
        if known is not None:
            return known
        if id(schema) in self._open:
            self._recursive = True
            return 1
        self._open.add(id(schema))
        total = 1 + sum(
            self._checks(value, (*place, *inner)) for inner, value in subschemas(schema) if inner[0] != "$defs"
        )
        if "$ref" in schema:
            total += self._checks(self._named(schema["$ref"], place), place)
        self._open.discard(id(schema))
        self._known[id(schema)] = total
        return total

    def _named(self, reference: str, place: Pointer) -> Any:
        """What a reference leads to: the whole, a JSON pointer (RFC 6901, in a fragment), or an anchor."""
        name = reference[1:]
        if not name:
            return self._root
        if not name.startswith("/"):
            found = next((schema for schema in self._all(self._root) if schema.get("$anchor") == name), None)
        else:
            found = self._root
            for part in name[1:].split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                found = found.get(key) if isinstance(found, dict) else _item(found, key)
        if found is None or "%" in name:
            raise BadSchema((*place, "$ref"), "leads nowhere", 'write "#/$defs/NAME", and define NAME there')
        return found

    def _all(self, schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            yield schema
            for _, inner in subschemas(schema):
                yield from self._all(inner)


def _item(found: Any, key: str) -> Any:
    if isinstance(found, list) and key.isdecimal() and len(key) < 6 and int(key) < len(found):
        return found[int(key)]
    return None
