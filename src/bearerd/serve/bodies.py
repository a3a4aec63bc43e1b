"""What the bodies of the admin API may say (contracts, section 5, API): checked whole, and nothing unknown is ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_TEXT: Final = 16 * 1024  # characters of any one member
KINDS: Final = tuple(kind.name.lower() for kind in Kind)
ACKS: Final = ("enforced", "stored")
_SUBJECT: Final = ("kind", "issuer", "value")


class BadBody(Exception):
    """What is wrong with a body.  Its text is ours but for names of members, which are bounded."""


def revoke(body: Any) -> dict[str, Any]:
    """``POST /v1/revocations``: kind, issuer and value, or a token; before, expires_in, ack."""
    fields = members(body, {*_SUBJECT, "token", "before", "expires_in", "ack"})
    before, expires_in = fields.get("before"), fields.get("expires_in")
    if before is not None and before != "all" and (type(before) is not int or before <= 0):
        raise BadBody('before: seconds since the epoch, or "all"')
    if expires_in is not None and (type(expires_in) not in (int, float) or not 0 < expires_in < 2**32):
        raise BadBody("expires_in: seconds, more than 0")
    return {**_subject(fields), "before": before, "expires_in": expires_in, "ack": ack_of(fields)}


def lift(body: Any) -> dict[str, Any]:
    """``DELETE /v1/revocations``: the same body; what a lift has no use for is looked at and left."""
    found = revoke(body)
    return {name: found[name] for name in (*_SUBJECT, "token", "ack")}


def reset(body: Any) -> dict[str, Any]:
    """``POST /v1/revocations/reset``: the fleet's name, typed."""
    fields = members(body, {"fleet", "ack"})
    return {"fleet": _text(fields, "fleet"), "ack": ack_of(fields)}


def explain(body: Any) -> dict[str, Any]:
    """``POST /v1/explain``: resource, or host; the others as far as they are to be looked at."""
    known = ("resource", "token", "method", "path", "host", "mcp", "name")
    fields = members(body, known)
    found = {name: _text(fields, name, needed=False) for name in known}
    if found["resource"] is None and found["host"] is None:
        raise BadBody("resource: a string, or else a host, which chooses it")
    return found


def decide(body: Any) -> dict[str, Any]:
    """``POST /v1/approvals/ID/approve`` and ``deny``: the operating system's name of who decides."""
    return {"user": _text(members(body, ("user",)), "user")}


def number(query: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    """A number of a query.  Raises BadBody."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise BadBody(f"{name}: a number from {least} to {most}")
    return int(text)


def _subject(fields: dict[str, Any]) -> dict[str, Any]:
    """Who or what is meant: by name, or by a token that is to be verified."""
    token = _text(fields, "token", needed=False)
    if token is not None:
        for name in _SUBJECT:
            if name in fields:
                raise BadBody(f"{name}: not beside token")
        return {**dict.fromkeys(_SUBJECT), "token": token}
    kind = _text(fields, "kind")
    if kind not in KINDS:
        raise BadBody(f"kind: one of {', '.join(KINDS)}")
    value = _text(fields, "value", needed=kind != "issuer", empty=kind == "issuer")
    return {"kind": kind, "issuer": _text(fields, "issuer"), "value": value or "", "token": None}


def ack_of(fields: dict[str, Any]) -> str:
    """What is waited for.  Raises BadBody."""
    ack = fields.get("ack", "enforced")
    if ack not in ACKS:
        raise BadBody(f"ack: {' or '.join(ACKS)}")
    return str(ack)


def members(body: Any, known: Collection[str]) -> dict[str, Any]:
    """A body's members, all of them known.  Raises BadBody."""
    if not isinstance(body, dict):
        raise BadBody("the body is not a JSON object")
    for name in body:
        if name not in known:
            raise BadBody(f"{name[:40]!r}: unknown; one of {', '.join(sorted(known))}")
    return body


def _text(fields: dict[str, Any], name: str, *, needed: bool = True, empty: bool = False) -> Any:
    value = fields.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not (value or empty) or len(value) > MOST_TEXT:
        raise BadBody(f"{name}: a string of 1 to {MOST_TEXT} characters")
    return value
