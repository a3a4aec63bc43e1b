"""JWK Sets (RFC 7517 section 5): a document becomes keys, and a list of what could not be used and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd import jsonobject
from bearerd.errors import IssuerFault, UnusableKey
from bearerd.jws import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bearerd.jws.keys import Key
    from bearerd.limits import Limits

_MEMBERS_A_KEY: Final = 32  # the richest in the field (Entra's, with x5c and x5t) have a dozen
_MEMBERS: Final = 16 * 1024  # in any case: of a set with a thousand keys it is to be said that these are too many


@dataclass(frozen=True, slots=True)
class KeySetDocument:
    """The usable keys of a document, in its order, and one line for each that is not."""

    keys: tuple[Key, ...]
    problems: tuple[str, ...]


def read(document: bytes | Mapping[str, Any], limits: Limits) -> KeySetDocument:
    """Read a JWK Set, as fetched (bytes) or as it stands in the configuration (a mapping).

    Keys that cannot be used are dropped one by one and named in ``problems``; of keys with one ``kid`` and ``kty`` none
    is kept: which of them a token means would be a guess.  Raises IssuerFault: ``bad_json``, ``bad_document`` (too many
    keys as well), ``too_large`` or ``no_usable_key``.  The document is not believed to be the issuer's: whoever fetched it knows.
    """
    entries = _entries(_parse(document, limits))
    if len(entries) > limits.max_keys:
        raise IssuerFault(
            "bad_document", f"the key set has {len(entries)} keys, more than max_keys = {limits.max_keys}"
        )
    problems: list[str] = []
    found: list[tuple[str, Key]] = []
    for number, entry in enumerate(entries, 1):
        name = _name(number, entry)
        try:
            found.append((name, _read_one(entry)))
        except UnusableKey as fault:
            problems.append(f"{name}: {fault}")
    usable, doubles = _without_doubles(found)
    problems += doubles
    if not usable:
        raise IssuerFault("no_usable_key", "; ".join(problems) or "the key set is empty")
    return KeySetDocument(tuple(usable), tuple(problems))


def _parse(document: bytes | Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """JSON without duplicate members: two parsers must not see two key sets in one document."""
    if not isinstance(document, bytes):
        try:
            document = orjson.dumps(dict(document))
        except (TypeError, ValueError, RecursionError):
            raise IssuerFault("bad_json", "the key set holds what JSON cannot") from None
    if len(document) > limits.max_key_set_bytes:
        raise IssuerFault("too_large", f"the key set is longer than max_key_set_bytes = {limits.max_key_set_bytes}")
    most = max(_MEMBERS, (limits.max_keys + 1) * _MEMBERS_A_KEY)
    try:
        return jsonobject.read(document, limits.max_json_depth, most)
    except jsonobject.Malformed as fault:
        raise IssuerFault("bad_json", f"the key set cannot be read: {fault}") from None


def _entries(parsed: Any) -> list[Any]:
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise IssuerFault("bad_document", "the key set has no list of keys")
    return entries


def _read_one(entry: Any) -> Key:
    if not isinstance(entry, dict):
        raise UnusableKey("not an object")
    return keys.from_jwk(entry)


def _without_doubles(found: Iterable[tuple[str, Key]]) -> tuple[list[Key], list[str]]:
    """The keys whose (kid, kty) is theirs alone or that have no kid, and a line for each of the others."""
    found = list(found)
    times = Counter((key.kid, key.kty) for _, key in found)
    usable, doubles = [], []
    for name, key in found:
        if key.kid is not None and times[key.kid, key.kty] > 1:
            doubles.append(f"{name}: another {key.kty} key has the same kid")
        else:
            usable.append(key)
    return usable, doubles


def _name(number: int, entry: Any) -> str:
    """How a problem names a key: its place, and its kid cut short (the issuer chose it)."""
    kid = entry.get("kid") if isinstance(entry, dict) else None
    return f"key {number}" + (f" (kid {kid[:64]!r})" if isinstance(kid, str) else "")
