"""What the bodies of ``/v1/apikeys`` may say."""

from __future__ import annotations

import re
from typing import Any, Final

from bearerd.apikeys.acts import MOST_OVERLAP
from bearerd.serve.bodies import BadBody, ack_of, members

MOST_ITEMS: Final = 64
MOST_TEXT: Final = 200  # characters of an owner, a name, a scope or a role
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749 section 3.3, scope-token
_LIFETIME: Final = 10 * 366 * 86400
_OVERLAP: Final = 24 * 3600


def create(body: Any) -> dict[str, Any]:
    """``POST /v1/apikeys``: owner and resources; name, scopes, roles and expires_in (seconds) where they are wanted."""
    fields = members(body, {"name", "owner", "scopes", "roles", "resources", "expires_in"})
    lifetime = fields.get("expires_in")
    if lifetime is not None and (type(lifetime) not in (int, float) or not 1 <= lifetime <= _LIFETIME):
        raise BadBody("expires_in: seconds, at least 1")
    scopes = _items(fields, "scopes")
    if not all(map(_SCOPE.fullmatch, scopes)):
        raise BadBody('scopes: one each, without spaces, ", \\ or anything that is not ASCII (RFC 6749 section 3.3)')
    resources = _items(fields, "resources")
    if not resources:
        raise BadBody("resources: the names of those that the key is for")
    return {
        "name": _text(fields.get("name", ""), "name", least=0),
        "owner": _text(fields.get("owner"), "owner"),
        "scopes": scopes,
        "roles": _items(fields, "roles"),
        "resources": resources,
        "lifetime": lifetime,
    }


def rotate(body: Any) -> dict[str, Any]:
    """``POST /v1/apikeys/ID/rotate``: overlap (seconds), ack."""
    fields = members(body, {"overlap", "ack"})
    overlap = fields.get("overlap", _OVERLAP)
    if type(overlap) is not int or not 0 <= overlap <= MOST_OVERLAP:
        raise BadBody(f"overlap: whole seconds, 0 to {MOST_OVERLAP}")
    return {"overlap": overlap, "ack": ack_of(fields)}


def revoke(body: Any) -> dict[str, Any]:
    """``POST /v1/apikeys/ID/revoke``: ack."""
    return {"ack": ack_of(members(body, {"ack"}))}


def _items(fields: dict[str, Any], name: str) -> list[str]:
    items = fields.get(name, [])
    if not isinstance(items, list) or len(items) > MOST_ITEMS:
        raise BadBody(f"{name}: a list of at most {MOST_ITEMS} strings")
    return list(dict.fromkeys(_text(item, name) for item in items))


def _text(value: Any, name: str, *, least: int = 1) -> str:
    """Text that a person can read, in logs and headers, too: no controls, nothing that turns the line around."""
    if not isinstance(value, str) or not least <= len(value) <= MOST_TEXT or not (value.isprintable() or not value):
        raise BadBody(f"{name}: {least} to {MOST_TEXT} printable characters")
    return value
